"""The one error that ends the host before it serves."""


class HostError(Exception):
    """The app, its settings or its `host.json` cannot be run as they are; the message says what to mend."""
