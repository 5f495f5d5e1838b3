"""One bash for a page: its commands run in it one after the other, so that variables stay."""

import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

# A page waits by `sleep 10`, which is polite to a factory on Azure. Here a look costs nothing.
# Without `pipefail` a command that failed before a `jq` would be a success. What fails inside `$(...)`, `<(...)` or
# `(...)` has no status that bash gives on, as in `for each in $(false | cat)`: the trap notes it, by `-E` in there too.
# bash runs no such trap for what the command itself asks or catches: `if`, `until`, `||`.
_PROLOGUE = """\
set +m
set -E -o pipefail
sleep() { command sleep 0.5; }
trap '_code=$?; ((BASH_SUBSHELL == 0)) || printf "%s (exit status %d)\\n" "$BASH_COMMAND" "$_code" >>"$_HIDDEN"' ERR
"""


class Shell:
    """A bash without a terminal. Use it as a context: it ends with everything that it started."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._mark = f"@@ {uuid.uuid4().hex}"
        self._notes = tempfile.TemporaryDirectory(prefix="runbook-")
        self._hidden = Path(self._notes.name) / "hidden"
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={**environment, "_HIDDEN": str(self._hidden)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.run(_PROLOGUE, 30)

    def run(self, command: str, limit: float) -> tuple[str, int]:
        """What it printed, on both outputs, and its exit status. Raises TimeoutError after `limit` seconds.

        Where a part of it failed and bash gave the failure on to nobody, the status is 1 and the last line names it.
        """
        assert self._bash.stdin is not None
        # A command that reads must not read the commands behind it.
        self._bash.stdin.write(f"{{ {command}\n}} < /dev/null\nprintf '\\n{self._mark} %d\\n' $?\n")
        self._bash.stdin.flush()
        end = time.monotonic() + limit
        printed: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"after {limit:g} s it still runs; printed: {''.join(printed)}") from None
            if line is None:
                raise RuntimeError(f"bash ended: {''.join(printed)}")
            if line.startswith(self._mark):
                return self._judged("".join(printed).rstrip("\n"), int(line.split()[-1]))
            printed.append(line)

    def _judged(self, printed: str, status: int) -> tuple[str, int]:
        hidden = self._hidden.read_text("utf-8") if self._hidden.exists() else ""
        self._hidden.unlink(missing_ok=True)
        if status or not hidden:
            return printed, status
        return f"{printed}\nfailed inside: {hidden.splitlines()[0]}".lstrip("\n"), 1

    def _read(self) -> None:
        assert self._bash.stdout is not None
        for line in self._bash.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        for stream in (self._bash.stdin, self._bash.stdout):
            if stream is not None:
                stream.close()
        self._reader.join(timeout=5)
        self._notes.cleanup()
