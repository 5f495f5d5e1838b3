"""Packer's output, cleaned and limited. It goes to the log, and its end is kept for the report. Decides nothing."""

from collections import deque
from collections.abc import Sequence

from builder.log.redaction import LINE_LIMIT, Redactor
from builder.log.stream import LogStream

_LINES = 500


class Transcript:
    """The last lines of one run, and whether Packer has reached the guest."""

    def __init__(self, log: LogStream, redactor: Redactor) -> None:
        self._log = log
        self._redactor = redactor
        self._lines: deque[str] = deque(maxlen=_LINES)
        self.connected = False
        self._is_open = False  # the last line has no end yet

    def add(self, lines: Sequence[str]) -> None:
        """Take lines of output as they came, with their line ends. If a line comes in pieces, only the first is taken.

        A later piece may begin in the middle of a secret, and no pattern recognises half a secret.
        """
        texts = self._redactor.clean_all([line for line in lines if self._is_first(line)])
        self._log.lines(texts)
        self._lines.extend(texts)
        # Packer prints this text after its SSH communicator has logged in.
        self.connected = self.connected or any("Connected to SSH!" in text for text in texts)

    def _is_first(self, line: str) -> bool:
        # A short piece without a line end is the last piece of its line.
        is_rest, self._is_open = self._is_open, len(line) > LINE_LIMIT and not line.endswith("\n")
        return not is_rest

    @property
    def text(self) -> str:
        """All kept lines."""
        return "\n".join(self._lines)

    def tail(self, characters: int) -> str:
        """The last whole lines that fit into `characters`."""
        kept: deque[str] = deque()
        room = characters
        for line in reversed(self._lines):
            room -= len(line) + 1
            if room < 0:
                break
            kept.appendleft(line)
        return "\n".join(kept)
