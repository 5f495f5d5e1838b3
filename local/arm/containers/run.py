"""One container group while it exists: its containers' states, events, exit codes and logs.

It reports events in Azure's words and with times. The module `groups` decides when a group starts and stops.
"""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from local.arm.containers.environment import ContainerPlatform
from local.arm.containers.processes import Process
from local.arm.wire import Json

_NOT_FOUND: Final = 127  # a shell's exit code for a program that does not exist
_LINES: Final = 1000  # of a stopped container's log; learn container-instances-resource-and-quota-limits
_BACK_OFF: Final = "CrashLoopBackOff: Back-off restarting failed"  # as in Praqma/Network-MultiTool#25


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container's part of a group's body. `environment` holds secure values too."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    cpu: float


class ContainerRun:
    """One run of one container, from `start` to its end. A restart makes a new run."""

    def __init__(self, container: Container, folder: Path, *, restarts: int, previous: Json | None) -> None:
        self.container = container
        self.restarts = restarts
        self.previous = previous
        self._folder = folder
        self._events: list[Json] = []
        self._state: Json = {
            "state": "Waiting",
            "detailStatus": _BACK_OFF if previous and is_crashed(previous) else "",
        }
        self._process: Process | None = None
        self._lost = ""  # log of a container that never had a process
        self.ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id while there is one."""
        return self._process.pid if self._process and not self.ended.is_set() else None

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None before the end."""
        code = self._state.get("exitCode")
        return code if isinstance(code, int) else None

    @property
    def state(self) -> Json:
        """`currentState` as Azure shows it."""
        return dict(self._state)

    def log(self) -> str:
        """The part of the output that the platform keeps."""
        text = self._process.log() if self._process else self._lost
        return "".join(text.splitlines(keepends=True)[-_LINES:]) if self.ended.is_set() else text

    def wait_for_image(self) -> None:
        """The image cannot be pulled: these events repeat, and the container waits.

        Source: learn container-instances-troubleshooting, Unable to pull image.
        """
        image = self.container.image
        self._event("Pulling", f'pulling image "{image}"')
        self._event("Failed", f'Failed to pull image "{image}": image not found', kind="Warning")
        self._event("BackOff", f'Back-off pulling image "{image}"')

    async def start(self, platform: ContainerPlatform, identity_header: str) -> None:
        """Start the container and follow it to its end."""
        self._event("Pulling", f'pulling image "{self.container.image}"')
        self._event("Pulled", f'Successfully pulled image "{self.container.image}"')
        command = platform.command(self.container.command)
        if command is None:
            wanted = self.container.command[0] if self.container.command else "the entry point"
            self._fail(f'exec: "{wanted}": executable file not found in $PATH')
            return
        self._state = {"state": "Running", "startTime": _now(), "detailStatus": ""}
        self._event("Started", "Started container")
        environment = platform.environment(self.container.environment, identity_header, self._folder)
        temporary = platform.temporary(self._folder)
        self._process = Process(self._folder, self._note_end, platform.starter)
        try:
            temporary.mkdir(mode=0o700)
            await self._process.run(command, environment)
        except OSError as error:
            self._fail(str(error))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    async def stop(self, grace_seconds: float) -> None:
        """End the container, by SIGKILL after the grace period."""
        if self._process is not None and not self._process.finished.is_set():
            self._event("Killing", "Killing container with id")
            await self._process.stop(grace_seconds)
        elif self._process is None and not self.ended.is_set():
            self._note_end(0)

    def shown(self) -> Json:
        """`instanceView` of the container."""
        view: Json = {"restartCount": self.restarts, "currentState": self.state, "events": list(self._events)}
        if self.previous is not None:
            view["previousState"] = self.previous
        return view

    def _note_end(self, code: int) -> None:
        if self.ended.is_set():
            return
        self._state = {
            "state": "Terminated",
            "startTime": self._state.get("startTime", _now()),
            "exitCode": code,
            "finishTime": _now(),
            "detailStatus": "Completed" if code == 0 else "Error",
        }
        self.ended.set()

    def _fail(self, reason: str) -> None:
        text = f"Error: Failed to start container {self.container.name}, Error response: to create task: {reason}"
        self._lost = text + "\n"
        self._event("Failed", text, kind="Warning")
        self._note_end(_NOT_FOUND)

    def _event(self, name: str, message: str, *, kind: str = "Normal") -> None:
        now = _now()
        event = {"count": 1, "firstTimestamp": now, "lastTimestamp": now, "name": name, "message": message}
        self._events.append({**event, "type": kind})


def is_crashed(state: Mapping[str, Any]) -> bool:
    """True for a state of a container that ended with another code than 0."""
    return state.get("state") == "Terminated" and state.get("exitCode") != 0


def parse_containers(properties: Mapping[str, Any]) -> tuple[Container, ...]:
    """The containers that a group's body describes. Raises KeyError, TypeError or ValueError if it is malformed."""
    return tuple(_parse(each["name"], each["properties"]) for each in properties["containers"])


def group_state(runs: Sequence[ContainerRun]) -> str:
    """The group's state, from the states of its containers: Pending, Running, Succeeded or Failed."""
    states = [run.state["state"] for run in runs]
    if "Running" in states:
        return "Running"
    if not states or "Waiting" in states:
        return "Pending"
    return "Succeeded" if all(run.exit_code == 0 for run in runs) else "Failed"


def _parse(name: str, wanted: Mapping[str, Any]) -> Container:
    given = wanted.get("environmentVariables") or ()
    environment = {each["name"]: str(each.get("value") or each.get("secureValue") or "") for each in given}
    return Container(
        name=name,
        image=str(wanted["image"]),
        command=tuple(wanted.get("command") or ()),
        environment=environment,
        cpu=float(wanted["resources"]["requests"]["cpu"]),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
