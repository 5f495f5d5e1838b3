"""The copy of a proven version to the live gallery: begun, and tried again for days where it fails.

The quarantined version is kept as long as the build is in this phase. It decides nothing about `latest`.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline_core.domain import azure_codes, builds, replication
from pipeline_core.domain.attempts import PROVENANCE_TAG
from pipeline_core.domain.builds import Build, Failure
from pipeline_core.domain.definitions import TargetRegion
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.proofs import tags_of
from pipeline_core.ports import Galleries, GalleryImageVersion, NewGalleryVersion
from pipeline_core.services.builds.captures import Captures
from pipeline_core.services.builds.stages import Failed, Moved, Progress, Wait
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.versions.late_regions import LateRegions
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from pipeline_core.state.records import Stored

# Refusals that somebody ends from outside. They say nothing about the version, which has passed its gates.
_REMEDIES = {
    ErrorClass.PERMISSION: "if it stays, give the identity this right (infra/roles.tf)",
    ErrorClass.AZURE_POLICY: azure_codes.remedy_of(ErrorClass.AZURE_POLICY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Begins copies, and looks at those that failed. `late` brings a live version to further regions."""

    images: ImageStore
    galleries: Galleries
    captures: Captures
    effects: Effects
    late: LateRegions
    wait: timedelta

    def begin(self, build: Stored[Build]) -> Progress:
        """Begin the copy, when its time has come; raises as `Galleries.begin_copy`."""
        value, now = build.value, self.effects.clock.now()
        if value.copy_after is not None and now < value.copy_after:
            return Wait(delay=value.copy_after - now)
        if value.version is None or value.provenance is None:
            raise PermanentError(ErrorClass.NOT_FOUND, f"build {value.id} has nothing proven to publish")
        self.captures.demand_made(value)
        definition = self.effects.documents.definition(value.definition)
        life = definition.publish.end_of_life
        try:
            self.captures.settle_live(value, definition.os)
            self.galleries.begin_copy(
                NewGalleryVersion(
                    gallery=value.gallery,
                    source_gallery=self.captures.quarantine_of(value),
                    image=value.image,
                    version=value.version,
                    regions=_without(definition.publish.regions, value.left_out),
                    tags={**tags_of(value), PROVENANCE_TAG: str(value.provenance)},
                    end_of_life=None if life is None else now + life,
                )
            )
        except PermanentError as error:
            if error.error_class is not ErrorClass.TEMPLATE:
                return self.sit_out(build, error)
            text = self.captures.explain(value.gallery, value.image, str(error))
            raise PermanentError(error.error_class, text, owner=error.owner) from error
        except TransientError as error:
            if error.error_class is not ErrorClass.QUOTA or value.full_since is not None:
                raise
            failure = Failure(error_class=error.error_class, message=str(error))
            return self._write(replace(value, full_since=now, failure=failure), build.etag)
        return Wait(delay=self.wait)

    def note_room(self, build: Stored[Build]) -> Progress:
        """Write down that the copy has begun, which had waited for room in the subscription."""
        return self._write(replace(build.value, full_since=None, failure=None), build.etag)

    def _write(self, build: Build, etag: str) -> Progress:
        """The build where it was, with another reason of its wait. No transition: its chain of messages goes on."""
        etags = self.images.commit([records.put_build(build, etag=etag)])
        self.effects.logs.note(
            "gallery-full" if build.full_since else "gallery-has-room",
            image=str(build.image),
            build_id=str(build.id),
        )
        return Moved(build=Stored(value=build, etag=etags[0]), delay=self.wait)

    def bring_to_regions(self, ended: Build) -> None:
        """Go on with the regions that the live version of an ended build is not in yet. Raises TransientError."""
        self.late.bring(ended)

    def sit_out(self, build: Stored[Build], error: PermanentError) -> Progress:
        """Wait for the end of a refusal that says nothing about the version. Raises it again where it does."""
        if error.error_class not in _REMEDIES:
            raise error
        remedy = _REMEDIES[error.error_class]
        text = f"{error}; {remedy}" if remedy not in str(error) else str(error)
        return self._later(build, Failure(error_class=error.error_class, message=text))

    def again(self, build: Stored[Build], live: GalleryImageVersion) -> Progress:
        """Remove a copy that failed, and try again: at once without the regions that failed, else later."""
        text = f"{live.image}@{live.version} could not be replicated: {live.detail or 'no reason was given'}"
        text = self.captures.explain(live.gallery, live.image, text)
        failure = Failure(error_class=ErrorClass.CAPACITY, message=text, owner=Owner.AZURE)
        self.galleries.begin_delete(live.gallery, live.image, live.version)
        regions = self.effects.documents.definition(build.value.definition).publish.regions
        wanted = [str(region.name) for region in _without(regions, build.value.left_out)]
        bad = replication.to_leave_out(wanted, live.failed_regions, self.captures.home)
        if bad:
            return self._move(build, failure, left_out=(*build.value.left_out, *bad), delay=self.wait)
        return self._later(build, failure)

    def _later(self, build: Stored[Build], failure: Failure) -> Progress:
        tries = build.value.attempt
        if replication.is_over(tries):
            return Failed(failure=failure)
        # All regions again: what has failed for long may have recovered, and the wait is over only then.
        return self._move(build, failure, left_out=(), delay=replication.wait_after(tries))

    def _move(
        self, build: Stored[Build], failure: Failure, *, left_out: tuple[str, ...], delay: timedelta
    ) -> Progress:
        now = self.effects.clock.now()
        moved = replace(
            builds.move(build.value, build.value.phase, now),
            failure=failure,
            left_out=left_out,
            left_out_why=failure.message if left_out else "",
            copy_after=now + delay,
            full_since=None,
        )
        entry = self.effects.journal.of_build(moved, Event.RETRIED, detail=failure.message)
        etags = self.images.commit([records.put_build(moved, etag=build.etag), records.add_entry(entry)])
        self.effects.logs.note(
            "copy-failed",
            image=str(moved.image),
            build_id=str(moved.id),
            error=failure.message,
            seconds=delay.total_seconds(),
        )
        return Moved(build=Stored(value=moved, etag=etags[0]), delay=delay)


def _without(regions: tuple[TargetRegion, ...], left_out: tuple[str, ...]) -> tuple[TargetRegion, ...]:
    return tuple(region for region in regions if str(region.name) not in left_out)
