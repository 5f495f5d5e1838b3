"""Keep grants in the recovery log, outside the tables: approvals of parents, and waivers. Decides nothing.

As for the other facts of the recovery log, a note before each change says that an entry may be missing, and the sweep
writes that entry. It is read by the recovery of lost tables, and where an approval has no row: the row may be lost.
"""

import contextlib
from collections.abc import Iterator

from pipeline_core.domain.approvals import Approval
from pipeline_core.domain.errors import AlreadyExists, MalformedMessage
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.waivers import WaiverGrant
from pipeline_core.ports import Blobs, Clock, Logs
from pipeline_core.state import unlogged
from pipeline_core.state.stores import Records
from pipeline_core.wire import grant_log as wire
from pipeline_core.wire.grant_log import ApprovalEntry, WaiverEntry
from pipeline_core.wire.recovery_log import ENTRY_LIMIT

_CONTAINER = "definitions"
_ENTRIES = 10_000  # of one image, in one list


class GrantLog:
    """Appends entries, and reads the newest one of each grant."""

    def __init__(self, blobs: Blobs, records: Records, clock: Clock, logs: Logs) -> None:
        self._blobs = blobs
        self._approvals = records.approvals
        self._waivers = records.waivers
        self._unlogged = records.unlogged
        self._clock = clock
        self._logs = logs

    def announce_approval(self, parent: ImageName, team: TeamName) -> None:
        """Call this before a change of the approval."""
        self._unlogged.add(unlogged.approval_key(parent, team), self._clock.now())

    def announce_waivers(self, image: ImageName) -> None:
        """Call this before a change of a waiver of the image."""
        self._unlogged.add(unlogged.waivers_key(image), self._clock.now())

    def settle_approval(self, parent: ImageName, team: TeamName) -> None:
        """Call this after the change. It writes what is in force now, then removes the note. Raises UnreadableRow."""
        stored = self._approvals.find(parent, team)
        if stored is not None:
            entry = ApprovalEntry.of(stored.value)
            self._create(entry.name, entry.to_wire())
        self._unlogged.remove(unlogged.approval_key(parent, team))

    def settle_waivers(self, image: ImageName) -> None:
        """The same for all waivers of an image. A row that cannot be read keeps the note."""
        known = self._waivers.of_image(image)
        for grant in known.grants:
            entry = WaiverEntry.of(grant)
            self._create(entry.name, entry.to_wire())
        if not known.unreadable:
            self._unlogged.remove(unlogged.waivers_key(image))

    def repair(self, subject: str) -> bool:
        """Settle the grant that the note of a dead process names; False where the note is about something else."""
        about = unlogged.parse_grant(subject)
        if about is None:
            return False
        image, team = about
        if team is None:
            self.settle_waivers(image)
        else:
            self.settle_approval(image, team)
        return True

    def approvals(self, parent: ImageName) -> Iterator[Approval]:
        """The newest entry of each approval of a parent. One list call, and one read for each."""
        for content in self._newest(wire.approvals_of(parent)):
            with self._passing_over(parent):
                yield ApprovalEntry.from_wire(content).to_domain()

    def find_approval(self, parent: ImageName, team: TeamName) -> Approval | None:
        """The newest entry of one approval, or None. One list call, and one read where there is an entry."""
        for content in self._newest(wire.approvals_of(parent, team)):
            with self._passing_over(parent):
                return ApprovalEntry.from_wire(content).to_domain()
        return None

    def waivers(self, image: ImageName) -> Iterator[WaiverGrant]:
        """The newest entry of each waiver of an image. One list call, and one read for each."""
        for content in self._newest(wire.waivers_of(image)):
            with self._passing_over(image):
                yield WaiverEntry.from_wire(content).to_domain()

    @contextlib.contextmanager
    def _passing_over(self, image: ImageName) -> Iterator[None]:
        """An entry that cannot be read grants nothing, and stops nothing but itself."""
        try:
            yield
        except MalformedMessage as error:
            self._logs.note("grant-entry-unreadable", image=str(image), reason=str(error)[:200])

    def _newest(self, prefix: str) -> Iterator[bytes]:
        seen = ""
        for facts in self._blobs.list(_CONTAINER, prefix, limit=_ENTRIES):
            folder = wire.folder_of(facts.name)
            if folder != seen:
                seen = folder
                yield self._blobs.read(_CONTAINER, facts.name, limit=ENTRY_LIMIT)

    def _create(self, name: str, content: bytes) -> None:
        with contextlib.suppress(AlreadyExists):
            self._blobs.create(_CONTAINER, name, content, media_type="application/json")
