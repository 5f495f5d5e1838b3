"""Chapters about what images are built from: tools of the catalog, sources, and their own definitions."""
