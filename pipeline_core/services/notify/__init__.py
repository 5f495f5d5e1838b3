"""Notifications: journal entries go to the feeds of receivers, and each feed is delivered by itself."""
