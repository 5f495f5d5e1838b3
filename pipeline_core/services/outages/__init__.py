"""Outages of the platform: they hold builds back, and harm no input."""
