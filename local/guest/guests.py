"""The emulated machines that answer over SSH: the keys and the user of each machine, and its files.

A machine is here from its boot to its end. Its record stays readable afterwards. Its files do not.
"""

import posixpath
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from local import scenario, staging
from local.guest import replies
from local.guest.recording import Recording
from local.recorded import results
from local.scenario import PackerScenario
from local.staging import Staging

ADDRESS: Final = "127.0.0.1"  # every machine answers there
FILE_BYTES: Final = 64 * 1024 * 1024  # of all files of one machine together
RESULTS: Final = "/run/imagefactory/results"
_REMEMBERED: Final = 200  # records of so many machines are kept
_PROFILE: Final = re.compile(rb"IMAGEFACTORY_PROFILE=[\"']?([\w.-]+)")


class DiskFull(Exception):
    """The files of a machine would be larger than its limit."""


@dataclass(slots=True, kw_only=True)
class Guest:
    """One machine. `keys` are public keys as `type base64`; `closers` cut its connections."""

    machine: str
    user: str
    keys: frozenset[str]
    tags: Mapping[str, str]
    scenario: PackerScenario
    recording: Recording = field(default_factory=Recording)
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    closers: set[Callable[[], None]] = field(default_factory=set)
    profile: str = "recorded"
    staged: Staging = field(default_factory=Staging)
    is_up: bool = True
    is_restarting: bool = False

    @property
    def home(self) -> str:
        """The folder of relative paths."""
        return f"/home/{self.user}"

    def place(self, path: str) -> str:
        """The absolute form of `path`."""
        return posixpath.normpath(posixpath.join(self.home, path))

    def is_folder(self, path: str) -> bool:
        """Whether a folder exists."""
        above = (RESULTS, self.home, "/tmp")  # noqa: S108 - in the emulated machine
        return path in self.folders or any(
            each == path or each.startswith(path.rstrip("/") + "/") for each in above
        )

    def may_write(self, path: str) -> bool:
        """Whether Packer's user may create a file there: below /tmp or its own home, in an existing folder."""
        parent = posixpath.dirname(path)
        own = (self.home, "/tmp")  # noqa: S108 - in the emulated machine
        return self.is_folder(parent) and any(f"{parent}/".startswith(f"{each}/") for each in own)

    def demand_room(self, path: str, size: int) -> None:
        """Raise DiskFull if a file of `size` bytes does not fit beside the others."""
        others = sum(len(each) for name, each in self.files.items() if name != path)
        if others + size > FILE_BYTES:
            raise DiskFull(f"{path}: no space left on device (an emulated machine takes {FILE_BYTES} bytes)")

    def write(self, path: str, content: bytes) -> None:
        """Keep a file. Raises DiskFull."""
        self.demand_room(path, len(content))
        self.files[path] = content

    def read(self, path: str) -> bytes | None:
        """An uploaded file, or a simulated result. None if there is no such file."""
        if path in self.files:
            return self.files[path]
        folder, name = posixpath.split(path)
        return results.render(name, self.scenario.name, self.profile) if folder == RESULTS else None

    def run(self, command: str) -> replies.Reply:
        """Record a command and return its outcome."""
        reply = self._on_machine(replies.to_command(command, self.files, self.scenario))
        for content in self.files.values() if reply.step else ():
            found = _PROFILE.search(content[:65536])
            self.profile = found[1].decode() if found else self.profile
        ends = reply.fate in (replies.CommandEnd.ENDS, replies.CommandEnd.RESTARTS_LATER)
        self.recording.command(
            command, step=reply.step, answer=reply.fate.value, exit_code=reply.exit_code if ends else None
        )
        self.files.pop(reply.removed, None)
        return reply

    def _on_machine(self, reply: replies.Reply) -> replies.Reply:
        """The reply of a machine with what it has in memory and on its disk."""
        if reply.fate is replies.CommandEnd.RESTARTS_LATER:
            self.staged.is_going_down = True
        if not reply.script:
            return reply
        refusal = self.staged.run(reply.script, self.files)
        if refusal is not None:
            return replace(reply, exit_code=refusal.exit_code, output=f"{reply.step}\n{refusal.output}")
        for path in staging.taken(reply.script):
            del self.files[path]
        return reply

    def go_down(self) -> None:
        """Begin to restart: all connections are cut and nobody can sign in. Its disk stays as it is."""
        self.is_restarting = True
        for close in tuple(self.closers):
            close()
        self.closers.clear()

    def come_up(self) -> None:
        """End the restart, with an empty memory."""
        self.staged.restart()
        self.is_restarting = False

    def stop(self) -> None:
        """Switch the machine off. This ends its connections and deletes the files in /tmp."""
        self.is_up = False
        self.files.clear()
        for close in tuple(self.closers):
            close()
        self.closers.clear()

    def shown(self) -> dict[str, Any]:
        """The machine's record, as control shows it."""
        return {
            "machine": self.machine,
            "tags": dict(self.tags),
            "is_up": self.is_up,
            "boots": self.staged.boots,
            "entries": list(self.recording.entries),
            "dropped": self.recording.dropped,
        }


class Guests:
    """All machines, by id. They answer at `address` and `port`. The file at `scenario_path` gives their behaviour."""

    def __init__(self, *, scenario_path: str = "") -> None:
        self._guests: OrderedDict[str, Guest] = OrderedDict()
        self._scenario_path = scenario_path

    def boot(self, machine: str, *, user: str, keys: Iterable[str], tags: Mapping[str, str]) -> None:
        """A machine is up and takes these public keys (lines of authorized_keys)."""
        self.stop(machine)
        self._guests.pop(machine.lower(), None)
        self._guests[machine.lower()] = Guest(
            machine=machine,
            user=user,
            keys=frozenset(filter(None, map(normal_key, keys))),
            tags=dict(tags),
            scenario=scenario.of_tags(self._scenario_path, dict(tags)),
        )
        while len(self._guests) > _REMEMBERED:
            _, oldest = self._guests.popitem(last=False)
            oldest.stop()

    def stop(self, machine: str) -> None:
        """A machine is switched off or deleted; one that never was up is fine."""
        found = self._guests.get(machine.lower())
        if found is not None:
            found.stop()

    def find(self, user: str, key: str) -> Guest | None:
        """The machine that is up and takes this user with this key."""
        wanted = normal_key(key)
        return next(
            (
                each
                for each in self._guests.values()
                if each.is_up and not each.is_restarting and each.user == user and wanted in each.keys
            ),
            None,
        )

    def scenario_for(self, tags: Mapping[str, str]) -> PackerScenario:
        """The scenario of the build with these tags."""
        return scenario.of_tags(self._scenario_path, dict(tags))

    def shown(self) -> list[dict[str, Any]]:
        """Every record, the oldest first."""
        return [guest.shown() for guest in self._guests.values()]


def normal_key(line: str) -> str:
    """Type and base64 of a public key, without its comment. Empty if the text is not a public key."""
    words = line.split()
    return " ".join(words[:2]) if len(words) >= 2 else ""
