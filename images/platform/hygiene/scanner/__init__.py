"""Looks for what must not be in an image. Runs in the guest: RHEL 9's own Python 3.9, standard library only."""
