"""Signed statements about versions: make them, verify them, report what has none."""
