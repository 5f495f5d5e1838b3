"""Keep a log, outside the tables, of facts that nothing else holds: definitions, deletions, platform, policy,
grants.

The recovery log follows committed records and decides nothing. A change that was refused or lost its race never
gets here. A note in the index before each change says that an entry may be missing. The sweep writes that entry.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Lock

from pipeline_core.domain.errors import AlreadyExists, InvalidValue, TablesLost, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Blobs, Clock, Logs
from pipeline_core.services.effects.grant_log import GrantLog
from pipeline_core.state import unlogged
from pipeline_core.state.stores import Records
from pipeline_core.wire import recovery_log as wire
from pipeline_core.wire.recovery_log import ImageEntry, PlatformEntry, PolicyEntry

_CONTAINER = "definitions"
_KEPT = 20_000  # names of written entries that memory keeps
_IMAGES = 100_000  # names of images that one list covers
_POLICIES = 500  # versions of the policy in a list; a lost table gets so many of its history back
_QUIET = timedelta(minutes=5)  # the writer of a younger note is still at work


def _nothing() -> None:
    return None


class RecoveryLog:
    """Appends entries, and reads the newest ones."""

    def __init__(self, blobs: Blobs, records: Records, clock: Clock, logs: Logs) -> None:
        self._blobs = blobs
        self._images = records.images
        self._sources = records.sources
        self._policies = records.policies
        self._unlogged = records.unlogged
        self._clock = clock
        self._logs = logs
        self.grants = GrantLog(blobs, records, clock, logs)
        self._written: OrderedDict[ImageName, str] = OrderedDict()
        self._lock = Lock()

    def announce(self, subject: ImageName | None) -> None:
        """Call this before a change of an image's registration, or of the platform (None)."""
        self._unlogged.add(_key(subject), self._clock.now())

    def settle(self, subject: ImageName | None) -> None:
        """Call this after the change. It writes the state that is in force now, then removes the note."""
        if subject is None:
            self._write_platform()
        else:
            self._write_image(subject)
        self._unlogged.remove(_key(subject))

    def announce_policy(self) -> None:
        """Call this before a change of the policy."""
        self._unlogged.add(unlogged.POLICY, self._clock.now())

    def settle_policy(self) -> None:
        """Call this after the change. It writes which version is in force now, then removes the note."""
        self._write_policy()
        self._unlogged.remove(unlogged.POLICY)

    def follow(self, head: ImageHead) -> None:
        """Write an entry of a head that was just read, where the head has something new; cheap where not."""
        self._write(head.name, ImageEntry.of_head(head))

    def repair(self, follow_policy: Callable[[], None] = _nothing) -> int:
        """Write the entries that a dead process did not write; their number. One scan where none is missing.

        `follow_policy` writes what else that process may have left out of a change of the policy. Where it raises
        UnreadableRow, the next repair calls it again.
        """
        repaired = 0
        for subject, noted_at in self._unlogged.list():
            if self._clock.now() < noted_at + _QUIET:
                continue
            try:
                self._repair(subject, follow_policy)
            except UnreadableRow:
                continue  # the note stays until the row can be read
            # Operators' queries know this line by the log's old name.
            self._logs.note("chronicle-mended", subject=subject)
            repaired += 1
        return repaired

    def _repair(self, subject: str, follow_policy: Callable[[], None]) -> None:
        if subject == unlogged.POLICY:
            self._write_policy()  # first: the log must not wait for a document that this release cannot read
            follow_policy()
            self._unlogged.remove(unlogged.POLICY)
        elif not self.grants.repair(subject):
            self.settle(None if subject == unlogged.PLATFORM else ImageName(subject))

    def find_image(self, image: ImageName) -> ImageEntry | None:
        """The newest entry of an image, or None; raises MalformedMessage."""
        content = self._newest(wire.prefix_of(image))
        return None if content is None else ImageEntry.from_wire(content)

    def demand_kept(self, image: ImageName) -> None:
        """Raise TablesLost where the log knows an image whose records are not there: it was never unregistered."""
        entry = self.find_image(image)
        if entry is not None and not entry.deleted:
            raise TablesLost(f"the records of {image} are lost")

    def demand_fleet(self) -> None:
        """Raise TablesLost where the log knows images, for a caller that has found none. One list call."""
        if next(self.images(), None) is not None:
            raise TablesLost("the records of every image are lost")

    def find_platform(self) -> PlatformEntry | None:
        """The newest entry of the platform, or None; raises MalformedMessage."""
        content = self._newest(wire.PLATFORMS)
        return None if content is None else PlatformEntry.from_wire(content)

    def has_policy(self) -> bool:
        """True where a policy was ever put in force: one list call."""
        return any(True for _ in self._blobs.list(_CONTAINER, wire.POLICIES, limit=1))

    def policies(self) -> Iterator[PolicyEntry]:
        """The versions of the policy, the newest first, at most 500; raises MalformedMessage."""
        for facts in self._blobs.list(_CONTAINER, wire.POLICIES, limit=_POLICIES):
            yield PolicyEntry.from_wire(self._blobs.read(_CONTAINER, facts.name, limit=wire.ENTRY_LIMIT))

    def images(self) -> Iterator[ImageName]:
        """Every image that was ever registered, by name: one list call per 1,000."""
        for facts in self._blobs.list(_CONTAINER, wire.NAMES, limit=_IMAGES):
            with contextlib.suppress(InvalidValue):
                yield ImageName(facts.name.removeprefix(wire.NAMES))

    def _newest(self, prefix: str) -> bytes | None:
        for facts in self._blobs.list(_CONTAINER, prefix, limit=1):
            return self._blobs.read(_CONTAINER, facts.name, limit=wire.ENTRY_LIMIT)
        return None

    def _write_image(self, image: ImageName) -> None:
        head = self._images.find_head(image)
        if head is not None:
            self.follow(head.value)
            return
        former = self._images.find_former(image)
        if former is not None:
            self._write(image, ImageEntry.of_former(former.value))

    def _write_policy(self) -> None:
        stored = self._policies.find_current()
        if stored is not None:
            entry = PolicyEntry.of(stored.value)
            self._create(entry.name, entry.to_wire())

    def _write_platform(self) -> None:
        platform = self._sources.find_platform()
        if platform is not None:
            entry = PlatformEntry.of(platform, self._sources.platform_revision())
            self._create(entry.name, entry.to_wire())

    def _write(self, image: ImageName, entry: ImageEntry) -> None:
        with self._lock:
            before = self._written.get(image)
        if before == entry.name:
            return
        if (
            before is None
        ):  # the name first: a name without an entry is a named no-op, but an entry without a name is never found
            self._create(f"{wire.NAMES}{image}", b"")
        self._create(entry.name, entry.to_wire())
        with self._lock:
            self._written[image] = entry.name
            self._written.move_to_end(image)
            while len(self._written) > _KEPT:
                self._written.popitem(last=False)

    def _create(self, name: str, content: bytes) -> None:
        with contextlib.suppress(AlreadyExists):
            self._blobs.create(_CONTAINER, name, content, media_type="application/json")


def _key(subject: ImageName | None) -> str:
    return unlogged.PLATFORM if subject is None else str(subject)
