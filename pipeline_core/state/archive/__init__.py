"""The old part of an image's history, in blobs beside the tables."""
