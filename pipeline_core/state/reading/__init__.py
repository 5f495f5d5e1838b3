"""What a row says: its text in cells, what a release does not know of it, and rows that cannot be read at all."""
