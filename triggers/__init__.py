"""Entry points: one module per kind of event source. Each function decodes, calls one service and encodes."""
