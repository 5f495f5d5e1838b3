"""The tools for a document that a person writes: read its text, check its values, report every problem."""
