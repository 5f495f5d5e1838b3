"""What the builder needs of the world outside, in terms of its own. No SDK type and no policy here."""

from typing import Protocol


class Blobs(Protocol):
    """Blob storage. Every method raises PermanentError, TransientError or StaleWrite, already translated."""

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """The whole blob; raises NotFound, and PermanentError where it is larger than `limit` bytes."""
        ...

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Write a blob that must not exist; raises AlreadyExists where another content is there.

        The same content counts as our own write whose answer was lost: give content that only one
        writer can have where that matters.
        """
        ...

    def create_log(self, container: str, name: str) -> None:
        """Make an empty append blob, or leave the one that is there."""
        ...

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        """Append at `offset`; safe to repeat, since what is there already is not appended twice."""
        ...


class Events(Protocol):
    """The queue `build-events`."""

    def send(self, text: str) -> None:
        """Send once; never twice, so a lost answer is not repeated. Raises TransientError."""
        ...
