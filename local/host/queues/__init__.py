"""Queue triggers: polling, the life of a message, and when to look again."""
