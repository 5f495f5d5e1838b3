"""Ask for the deletion of a build's container groups: within the factory's budget, and once per group.

Azure needs a while to delete a group and counts each request. So the first writer of a numbered note in the attempt's
folder asks, and everybody else only looks. `domain.deletions` decides when the next number may ask. A wait for
the budget writes nothing. The build holds its slot until its groups are gone.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import attempts, deletions
from pipeline_core.domain.attempts import AttemptGroup
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.ports import Blobs, Containers
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.capacity import CapacityStore

_SOON = timedelta(minutes=1)  # most deletions have ended by then
_NOTE_LIMIT = 1024  # bytes
_NOTES = 100  # of one group: enough for days in which its deletion fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletions:
    """Deletions of the groups of builds. The reaper removes other groups, from the same budget."""

    capacity: CapacityStore
    blobs: Blobs
    containers: Containers
    effects: Effects
    look: timedelta

    def remain(self, build: Build) -> bool:
        """True where a group of the build exists. Changes nothing."""
        return any(self._exists(group) for group in attempts.groups_of(build))

    def clear(self, build: Build) -> timedelta | None:
        """Look for the build's groups, and ask for the deletion of those that exist.

        None where a look finds no group, else how long the next look is useless: zero just after a request.
        """
        waits = [self._ask(build, group) for group in attempts.groups_of(build) if self._exists(group)]
        return max(waits, default=None)

    def begin(self, build: Build) -> timedelta:
        """Ask for the deletion of the present attempt's group, which exists; the wait as in `clear`."""
        return self._ask(build, attempts.groups_of(build)[0])

    def find_unasked(self, build: Build) -> AttemptGroup | None:
        """The group of the stage before, where it exists and nobody has asked for its deletion yet."""
        group = attempts.groups_of(build)[-1]
        return None if self._asked(group) or not self._exists(group) else group

    def ask_paid(self, build: Build, group: AttemptGroup) -> None:
        """Ask for the deletion of a group that nobody had asked for. The caller has paid for the request."""
        if self._is_first(group, 1):
            self._delete(build, group, self.effects.clock.now())

    def _exists(self, group: AttemptGroup) -> bool:
        return self.containers.find_group(group.name) is not None

    def _ask(self, build: Build, group: AttemptGroup) -> timedelta:
        now = self.effects.clock.now()
        asked = self._asked(group)
        if not deletions.is_due(asked, now, self.look):
            return _pause(now - min(asked))
        wait = self.capacity.buy_deletion(now)
        if wait is not None:
            self.effects.logs.note(
                "deletion-waits",
                image=str(build.image),
                build_id=str(build.id),
                subject=group.name,
                seconds=wait.total_seconds(),
            )
            return wait
        if self._is_first(group, len(asked) + 1):
            self._delete(build, group, now)
        return timedelta(0)

    def _delete(self, build: Build, group: AttemptGroup, now: datetime) -> None:
        try:
            self.containers.delete_group(group.name)
        except TransientError as error:
            if error.error_class is ErrorClass.THROTTLED:
                self.capacity.pause_deletions(now, error.retry_after)
            raise
        except PermanentError as error:
            # The slot stays in use as long as the group exists. An operator must repair the cause of the error.
            self.effects.logs.note(
                "deletion-refused", image=str(build.image), build_id=str(build.id), error=str(error)
            )
            raise

    def _asked(self, group: AttemptGroup) -> list[datetime]:
        listed = self.blobs.list("builds", f"{group.folder}/{attempts.DELETION}", limit=_NOTES)
        return [facts.changed_at for facts in listed]

    def _is_first(self, group: AttemptGroup, number: int) -> bool:
        """True for the one handler that may ask now. A handler that dies before it asks costs a wait.

        The note may be our own although its answer was lost, so it is read before another handler is believed in.
        """
        name, own = f"{group.folder}/{attempts.DELETION}{number}.json", self._own_note()
        try:
            self.blobs.create("builds", name, own, media_type="application/json")
        except (AlreadyExists, TransientError) as error:
            try:
                return self.blobs.read("builds", name, limit=_NOTE_LIMIT) == own
            except NotFound:
                raise error from None  # it was not written: the next look tries again
        return True

    def _own_note(self) -> bytes:
        """What no other handler writes."""
        at, drawn = self.effects.clock.now(), self.effects.chance.fraction()
        return json.dumps({"at": at.isoformat(), "by": f"{drawn:.17f}"}).encode()


def _pause(elapsed: timedelta) -> timedelta:
    """How long the next look at a deletion is useless. One that takes long is looked at less and less often."""
    return timedelta(0) if elapsed < _SOON else max(_SOON / 2, elapsed / 4)
