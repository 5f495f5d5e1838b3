"""Derive the tables again after they were lost, from the galleries and the blobs."""
