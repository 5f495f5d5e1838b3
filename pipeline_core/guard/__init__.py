"""The policy guard: judges bundles, definitions and catalogs by themselves. Executes nothing, stores nothing."""
