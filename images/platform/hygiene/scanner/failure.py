"""Why nothing can be said: what could not be read is not the same as nothing found."""

from __future__ import annotations


class CannotLook(Exception):
    """A search, a file or a rule could not be looked at. The text is one line."""
