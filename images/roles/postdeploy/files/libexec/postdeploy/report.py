"""What a run leaves for people and for the agent of Azure Monitor: a status file, and the two lines around the run.

The file is world-readable and holds no value of a secret.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postdeploy import events, files
from postdeploy.failures import Exit, Failed
from postdeploy.host import Host

_SCHEMA = 1


class RunReport:
    """The report of one run of `program`."""

    def __init__(self, host: Host, program: str) -> None:
        self._host, self._program = host, program
        self._path = path_of(host, program)
        self._before = files.read_json(self._path)
        self._started = time.time()
        self._clock = time.monotonic()
        self._items: list[dict[str, Any]] = []
        self._failures: list[Failed] = []
        events.say(
            "run-started", program=program, run=self._runs(), rerun="yes" if self._is_rerun() else "no"
        )
        self._save({**self._before, "result": "running"})

    def attempt(self, kind: str, name: str, facts: dict[str, Any], act: Callable[[], str]) -> None:
        """Do the work for one certificate or agent; `act` returns its state and fills `facts`.

        A failure is recorded and does not stop what comes next.
        """
        started = time.monotonic()
        try:
            state = act()
        except Failed as failed:
            self._fail_item(kind, name, facts, failed)
        except OSError as error:
            text = f"{error.filename or 'the disk'}: {error.strerror}"
            self._fail_item(kind, name, facts, Failed(Exit.BROKEN, "disk", text))
        except Exception as error:  # its text could hold a value of a secret, so only its place is shown
            last = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
            self._fail_item(kind, name, facts, Failed(Exit.BROKEN, "broken", text))
        else:
            events.say(state, **{kind: name}, **facts, seconds=time.monotonic() - started)
            self._items.append({kind: name, "state": state, **facts})

    def fail(self, failed: Failed, **facts: object) -> None:
        """Record and say a failure."""
        self._failures.append(failed)
        events.say("failed", "error", program=self._program, **facts, reason=failed.reason, text=failed.text)

    def _fail_item(self, kind: str, name: str, facts: dict[str, Any], failed: Failed) -> None:
        self._items.append({kind: name, "state": "failed", **facts, "reason": failed.reason})
        self.fail(failed, **{kind: name}, **facts)

    def end(self, waited: float) -> int:
        """Write the status and say the end. Returns the exit status: that of the first failure."""
        code = self._failures[0].code if self._failures else Exit.DONE
        seconds = time.monotonic() - self._clock
        result = "failed" if self._failures else "done"
        first = self._before.get("firstDone") or (_now() if code is Exit.DONE else None)
        self._save(
            {
                "result": result,
                "exit": int(code),
                "reasons": sorted({each.reason for each in self._failures}),
                "ended": _now(),
                "seconds": round(seconds, 1),
                "waited": round(waited, 1),
                "firstDone": first,
                "failuresInARow": int(self._before.get("failuresInARow") or 0) + 1 if self._failures else 0,
                "items": self._items,
            }
        )
        if code is Exit.DONE and not self._before.get("firstDone"):
            events.say("provisioned", program=self._program, seconds=seconds, since_boot=_since_boot())
        level = "error" if self._failures else "info"
        events.say(
            "run-ended",
            level,
            program=self._program,
            result=result,
            exit=int(code),
            seconds=seconds,
            waited=waited,
        )
        return int(code)

    def _runs(self) -> int:
        return int(self._before.get("runs") or 0) + 1

    def _is_rerun(self) -> bool:
        """Whether the run before this one failed, or never ended."""
        return self._before.get("result") in ("failed", "running")

    def _save(self, content: dict[str, Any]) -> None:
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started))
        fixed = {"schema": _SCHEMA, "program": self._program, "runs": self._runs(), "started": started}
        files.write_json(self._path, {**content, **fixed}, mode=0o644)


def path_of(host: Host, program: str) -> Path:
    """The status file of a program."""
    return host.state / f"{program}-status.json"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _since_boot() -> float | None:
    """Seconds since this machine booted."""
    try:
        return float(Path("/proc/uptime").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
