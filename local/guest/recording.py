"""The requests that one emulated machine got, in order: commands, uploads, downloads. Bounded. It decides nothing."""

import hashlib
from typing import Any, Final

LIMIT: Final = 2000  # entries of one machine, because a client in a loop must not fill the memory
_COMMAND_CHARACTERS: Final = 2000
_HEAD_LINES: Final = 4
_HEAD_CHARACTERS: Final = 400

Entry = dict[str, Any]


class Recording:
    """The entries of one machine."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.dropped = 0

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries in their order. Each has `kind`."""
        return tuple(dict(entry) for entry in self._entries)

    def command(self, text: str, *, step: str, answer: str, exit_code: int | None) -> None:
        """Record a command. `answer` is its outcome. `exit_code` is None if it never got one."""
        self._add(
            "command", command=text[:_COMMAND_CHARACTERS], step=step, answer=answer, exit_code=exit_code
        )

    def upload(self, path: str, content: bytes, *, way: str) -> None:
        """Record an upload by `scp` or `sftp`."""
        head = content[:_HEAD_CHARACTERS].decode("utf-8", "replace").splitlines()[:_HEAD_LINES]
        digest = hashlib.sha256(content).hexdigest()
        self._add("upload", path=path, way=way, size=len(content), sha256=digest, head=head)

    def download(self, path: str, content: bytes, *, way: str) -> None:
        """Record a download."""
        digest = hashlib.sha256(content).hexdigest()
        self._add("download", path=path, way=way, size=len(content), sha256=digest)

    def refused(self, what: str) -> None:
        """Record a request that the machine refused."""
        self._add("refused", what=what[:_COMMAND_CHARACTERS])

    def _add(self, kind: str, **facts: Any) -> None:
        if len(self._entries) >= LIMIT:
            self.dropped += 1
            return
        self._entries.append({"kind": kind, **facts})
