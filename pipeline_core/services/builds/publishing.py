"""The last phase: copy the proven version to the live gallery, wait for its replication, let it into `latest`."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.errors import ErrorClass, PermanentError, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.builds.copies import Copies
from pipeline_core.services.builds.stages import Ended, Progress, Wait
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingStage:
    """Drives the phase PUBLISHING; holds no slot."""

    records: Records
    galleries: Galleries
    provenance: Provenance
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
            self.provenance.demand(build.value)
            return self.copies.begin(build)
        if not _is_ours(live, build.value):
            raise PermanentError(
                ErrorClass.CONFLICT, f"{build.value.image}@{version} in {gallery} was not made by this build"
            )
        match live.state:
            case VersionState.CREATING | VersionState.UPDATING | VersionState.DELETING:
                return Wait(delay=self.wait)
            case VersionState.FAILED:
                return self.copies.again(build, live)
            case VersionState.READY | VersionState.UPDATE_FAILED:
                try:
                    return self._include(build, live)
                except PermanentError as error:
                    return self.copies.sit_out(build, error)

    def _include(self, build: Stored[Build], live: GalleryImageVersion) -> Progress:
        head = self._demand_turn(build.value, live)
        # Prove it again: replication may have taken hours, and the key or the tags may have changed.
        self.provenance.examine(live)
        latest.settle(self.galleries, live, excluded=False)
        try:
            self.completion.end(build, Result.SUCCEEDED, head=head)
        except StaleWrite:
            stored = self.records.images.find_build(build.value.id)
            if stored is not None and stored.value.is_finished:
                self.take_back(stored.value)
            raise
        return Ended()

    def take_back(self, ended: Build) -> None:
        """Take the version of an ended build out of `latest`, if the image has gone back since.

        A slow handler may let a version in too late: another handler has ended the build, and a person has gone
        back to an older version. Raises TransientError until the gallery shows it.
        """
        head, version = self.records.images.find_head(ended.image), ended.version
        current = None if head is None else head.value.current
        if version is None or current is None or current.version >= version:
            return
        live = self.galleries.find_version(ended.gallery, ended.image, version)
        if live is not None and _is_ours(live, ended):
            latest.settle(self.galleries, live, excluded=True)

    def bring_to_regions(self, ended: Build) -> None:
        """Go on with the regions that the version of an ended build is not in yet."""
        self.copies.bring_to_regions(ended)

    def _demand_turn(self, build: Build, live: GalleryImageVersion) -> Stored[ImageHead]:
        """Demand that the build is the active one and its version is above the current one (rule 7)."""
        stored = self.records.images.get_head(build.image)
        head = stored.value
        if head.active is None or head.active.build != build.id:
            raise PermanentError(ErrorClass.CONFLICT, f"build {build.id} is no longer the active one")
        if head.current is not None and live.version <= head.current.version:
            raise PermanentError(
                ErrorClass.CONFLICT, f"{live.version} is not above the current {head.current.version}"
            )
        return stored


def _is_ours(live: GalleryImageVersion, build: Build) -> bool:
    return live.tags.get(BUILD_TAG) == str(build.id)
