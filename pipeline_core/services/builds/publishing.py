"""The last phase: copy the proven version to the live gallery, wait for its replication, let it into `latest`."""

from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline_core.domain import retry
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.errors import ErrorClass, PermanentError, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.builds.copies import Copies
from pipeline_core.services.builds.stages import Ended, Moved, Progress, Wait
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.versions.turns import Turn, Turns, is_of
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_LAST_LOOK = timedelta(minutes=20)  # between two looks at a copy: the gallery reports its end


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingStage:
    """Drives the phase PUBLISHING; holds no slot."""

    records: Records
    galleries: Galleries
    turns: Turns
    effects: Effects
    completion: Completion
    copies: Copies
    wait: timedelta

    def advance(self, build: Stored[Build]) -> Progress:
        """One look at the live version, and at most one change. The wait for replication has no limit."""
        version, gallery = build.value.version, build.value.gallery
        if version is None:
            raise PermanentError(ErrorClass.NOT_FOUND, f"build {build.value.id} has no version to publish")
        live = self.galleries.find_version(gallery, build.value.image, version)
        if live is None:
            self.turns.demand_proof(build.value)
            return self.copies.begin(build)
        if not is_of(live, build.value):
            raise PermanentError(
                ErrorClass.CONFLICT, f"{build.value.image}@{version} in {gallery} was not made by this build"
            )
        if build.value.full_since is not None:
            return self.copies.note_room(build)
        try:
            return self._settle(build, live)
        except PermanentError as error:
            return self.copies.sit_out(build, error)

    def _settle(self, build: Stored[Build], live: GalleryImageVersion) -> Progress:
        """What the state of the build's own copy asks for. Whatever Azure refuses of it is waited for."""
        match live.state:
            case VersionState.CREATING | VersionState.UPDATING | VersionState.DELETING:
                lasts = self.effects.clock.now() - build.value.phase_since
                return Wait(delay=retry.until_look(lasts, wait=self.wait, most=_LAST_LOOK, part=4))
            case VersionState.FAILED:
                return self.copies.again(build, live)
            case VersionState.READY | VersionState.UPDATE_FAILED:
                return self._include(build, live)

    def _include(self, build: Stored[Build], live: GalleryImageVersion) -> Progress:
        turn = self.turns.demand(build.value, live)
        if not turn.answer.wish.is_wanted:
            return self._keep_out(build, live, turn)
        if build.value.planned_on != turn.head.value.pointer_revision:
            return self._plan_again(build, turn.head.value)
        latest.settle(self.galleries, live, excluded=False)
        try:
            self.completion.end(build, Result.SUCCEEDED, head=turn.head)
        except StaleWrite:
            stored = self.records.images.find_build(build.value.id)
            if stored is not None and stored.value.is_finished:
                self.take_back(stored.value)
            raise
        return Ended()

    def _keep_out(self, build: Stored[Build], live: GalleryImageVersion, turn: Turn) -> Progress:
        """End a build that nobody wants any more. Its version stays out of `latest`, for the day its input returns."""
        why = turn.answer.why
        kept = self.turns.keep_out(live, why)
        self.completion.end(build, Result.WITHDRAWN, head=turn.head, why=why, beside=[kept])
        return Ended()

    def _plan_again(self, build: Stored[Build], head: ImageHead) -> Progress:
        """The current version has changed since the build was planned, and the build is still wanted (rule 7)."""
        planned = replace(build.value, planned_on=head.pointer_revision)
        etags = self.records.images.commit([records.put_build(planned, etag=build.etag)])
        return Moved(build=Stored(value=planned, etag=etags[0]))

    def take_back(self, ended: Build) -> None:
        """Take the version of an ended build out of `latest`, if it has no turn there; raises TransientError."""
        self.turns.take_back(ended)

    def bring_to_regions(self, ended: Build) -> None:
        """Go on with the regions that the version of an ended build is not in yet."""
        self.copies.bring_to_regions(ended)
