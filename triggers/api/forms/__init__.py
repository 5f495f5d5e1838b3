"""The forms of texts in requests: how each is read, and how OpenAPI describes it."""
