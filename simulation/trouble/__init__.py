"""Outages of the platform in the story: what they refuse and report, and what must hold because of them."""
