"""The attempt's log: lines cleaned of secrets and sent on while the attempt runs."""
