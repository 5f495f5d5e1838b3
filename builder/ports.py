"""The outside services that the builder needs, in the builder's terms. No SDK type and no policy is here."""

from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Blob storage. Every method raises PermanentError, TransientError or StaleWrite, already translated."""

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """The whole blob. Raises NotFound, and PermanentError if it is larger than `limit` bytes."""
        ...

    def fetch(self, container: str, name: str, into: Path, *, limit: int) -> str:
        """Stream the blob into the file `into`, which is replaced; the SHA-256 of what came.

        Raises NotFound, and PermanentError if the blob is larger than `limit` bytes.
        """
        ...

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Write a blob that must not exist. Raises AlreadyExists if it exists with other content.

        The same content counts as a first write whose answer was lost. If that matters, give content that only one
        writer can have.
        """
        ...

    def create_log(self, container: str, name: str) -> None:
        """Make an empty append blob, or leave the one that is there."""
        ...

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        """Append at `offset`. A repeated call is safe: content that is there already is not appended again."""
        ...


class Events(Protocol):
    """The queue `build-events`."""

    def send(self, text: str) -> None:
        """Send once, never twice: after a lost answer the message is not sent again. Raises TransientError."""
        ...
