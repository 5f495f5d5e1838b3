"""What the factory remembers about the tools of the catalog."""
