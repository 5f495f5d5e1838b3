"""The error that ends the host before it serves."""


class HostError(Exception):
    """The app, its settings or its `host.json` cannot be run as they are. The message says what to repair."""
