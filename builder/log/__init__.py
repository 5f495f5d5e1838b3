"""The attempt's log: its lines are cleaned of secrets and written while the attempt runs."""
