"""The routes, one module per resource: each reads parameters, calls one service, returns a model."""
