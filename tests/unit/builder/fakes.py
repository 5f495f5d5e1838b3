"""Storage and queue as a folder, so that a builder in another process can use them too."""

import hashlib
import json
import os
from pathlib import Path

from pipeline_core.domain.blob_rights import BlobPlace, BlobToken
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, StaleWrite, TransientError


class FolderBlobs:
    """`builder.ports.Blobs` over files. With a token it has no blob that the token does not name."""

    def __init__(self, root: Path, token: BlobToken | None = None) -> None:
        self.root = root
        self.token = token
        self.failing_appends = 0
        self.lost_answers = 0  # of appends that are stored

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        path = self._named(container, name)
        if not path.is_file():
            raise NotFound(f"blob {container}/{name} does not exist")
        assert path.stat().st_size <= limit
        return path.read_bytes()

    def fetch(self, container: str, name: str, into: Path, *, limit: int) -> str:
        content = self.read(container, name, limit=limit)
        into.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        path = self._place(container, name)
        try:
            with path.open("xb") as stream:
                stream.write(content)
        except FileExistsError as error:
            if path.read_bytes() != content:
                raise AlreadyExists(f"blob {container}/{name} exists") from error

    def create_log(self, container: str, name: str) -> None:
        self._place(container, name).touch()

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        if self.failing_appends:
            self.failing_appends -= 1
            raise TransientError(ErrorClass.NETWORK, "no answer")
        path = self.root / container / name
        size = path.stat().st_size
        if size != offset:  # as the service: only the same block, again, is taken for the one that is there
            if size != offset + len(content):
                raise StaleWrite(f"blob {container}/{name}: 412, it has {size} bytes, not {offset}")
        else:
            with path.open("ab") as stream:
                stream.write(content)
        if self.lost_answers:
            self.lost_answers -= 1
            raise TransientError(ErrorClass.NETWORK, "no answer")

    def names(self, container: str = "builds") -> set[str]:
        """What is there."""
        folder = self.root / container
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    def text(self, name: str) -> str:
        """A blob of the container `builds` as text."""
        return (self.root / "builds" / name).read_text(encoding="utf-8")

    def _named(self, container: str, name: str) -> Path:
        if self.token is not None:
            assert BlobPlace(container=container, name=name) in self.token.own, (
                f"no right on {container}/{name}"
            )
        return self.root / container / name

    def _place(self, container: str, name: str) -> Path:
        path = self._named(container, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class FolderEvents:
    """`builder.ports.Events` over one file of lines."""

    def __init__(self, root: Path) -> None:
        self._file = root / "events"

    def send(self, text: str) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(text + os.linesep)

    @property
    def sent(self) -> list[dict[str, object]]:
        """Every message, in order."""
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text(encoding="utf-8").splitlines()]
