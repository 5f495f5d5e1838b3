"""Chapters about what waits behind others, and for how long at most."""
