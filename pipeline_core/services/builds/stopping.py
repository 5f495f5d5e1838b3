"""The last stage of a build that a person cancelled or that cannot succeed: remove its leftovers, then end it."""

import contextlib
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import attempts, builds, retry
from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.errors import AlreadyExists, PermanentError
from pipeline_core.ports import Blobs
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.builds.leftovers import Leftovers
from pipeline_core.services.builds.stages import Ended, Moved, Progress, Wait
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_DELETION = timedelta(seconds=10)  # between two looks at a deletion, at most the usual wait
_LAUNCHES = 5000  # notes of creations; one that waits for quota leaves one each half hour
_STUCK = timedelta(minutes=5)  # between two looks at a group that the factory may not delete


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingStage:
    """Replaces the phase's stage as soon as the build's row says that it stops. A wait writes no row."""

    records: Records
    blobs: Blobs
    leftovers: Leftovers
    completion: Completion
    effects: Effects
    wait: timedelta

    def advance(self, build: Stored[Build]) -> Progress:
        """One look at the leftovers; ends the build when none is left. Raises StaleWrite after a lost race."""
        value = build.value
        may_come = value.cancel is not None and value.phase.has_container and self._may_be_created(value)
        try:
            left = self.leftovers.clear(value)
        except PermanentError as error:
            # The slot stays in use as long as the group exists. An operator must repair the cause of the error.
            self.effects.logs.note(
                "not-cleared", image=str(value.image), build_id=str(value.id), error=str(error)
            )
            return Wait(delay=_STUCK)
        if left:
            # Spread, so that builds that wait for the same minute do not come together.
            return Wait(delay=max(self.wait, left + self.wait * self.effects.chance.fraction()))
        if may_come or left is not None:
            return Wait(delay=self._until_look(value))
        if value.phase is Phase.PENDING:
            self.records.index.withdraw(value)  # first, so that no dispatch starts this build now
        result = Result.FAILED if value.cancel is None else Result.CANCELLED
        self.completion.end(build, result, value.failure if value.given_up else None)
        return Ended()

    def _until_look(self, build: Build) -> timedelta:
        """Short while the build holds a slot. Else longer the longer it lasts: a gallery may change a mark for an hour.

        A message that is delivered twice doubles the looks that follow, and none of them writes a row.
        """
        shortest = min(_DELETION, self.wait)
        if build.phase is not Phase.PUBLISHING:
            return shortest
        lasts = self.effects.clock.now() - build.phase_since
        return retry.until_look(lasts, wait=shortest, most=_STUCK, part=4)

    def fail(self, build: Stored[Build], failure: Failure) -> Progress:
        """End the build as failed, at once where nothing is left. Else record the failure; `advance` goes on.

        The record comes before the first deletion. The write is refused where this handler read an old row.
        """
        try:
            remains = self.leftovers.remain(build.value)
        except PermanentError:
            remains = True
        if not remains:
            self.completion.end(build, Result.FAILED, failure)
            return Ended()
        given_up = builds.give_up(build.value, failure)
        etags = self.records.images.commit([records.put_build(given_up, etag=build.etag)])
        return Moved(build=Stored(value=given_up, etag=etags[0]))

    def _may_be_created(self, build: Build) -> bool:
        """True while a handler with an older row may still create the attempt's group.

        A handler writes a note before it creates the group (see `ContainerStage`). Where there is none, this method
        writes the first, and no other handler creates a group. Where there is one, the creation ends in a while.
        """
        folder = attempts.folder_of(build)
        with contextlib.suppress(AlreadyExists):
            self.blobs.create("builds", f"{folder}/{attempts.LAUNCHED}", b"{}", media_type="application/json")
            return False
        notes = self.blobs.list("builds", f"{folder}/{attempts.LAUNCH}", limit=_LAUNCHES)
        newest = max((facts.changed_at for facts in notes), default=None)
        return newest is not None and self.effects.clock.now() <= newest + attempts.CREATION
