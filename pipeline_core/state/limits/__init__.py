"""The counts that limits are held against."""
