"""Rows of notifications: what must be announced, and the feeds of receivers."""
