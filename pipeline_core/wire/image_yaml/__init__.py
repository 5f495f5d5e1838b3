"""`image.yaml`: its schema, its rules over several keys, and how a definition is read from it."""
