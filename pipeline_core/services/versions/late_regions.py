"""Bring a live version to the regions that failed when it was copied. The version itself is not touched.

It is looked at by a step of its build, which has ended: the sweep asks for one where a region is due. A region that
fails again is taken out again, so that the version is whole, and has its next turn after a longer wait.
"""

from dataclasses import dataclass, replace

from pipeline_core.domain import replication
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import PermanentError, StaleWrite
from pipeline_core.domain.images import ImageHead, MissingRegions
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, VersionState
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from pipeline_core.state.records import Stored

_AT_REST = frozenset({VersionState.READY, VersionState.UPDATE_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRegions:
    """One look costs two reads and a GET."""

    images: ImageStore
    galleries: Galleries
    effects: Effects

    def bring(self, ended: Build) -> None:
        """One look at the version of an ended build, and at most one change. Raises TransientError."""
        head = self.images.find_head(ended.image)
        current = None if head is None else head.value.current
        if head is None or current is None or current.missing is None or current.build != ended.id:
            return
        try:
            self._look(ended, head, current.version, current.missing)
        except PermanentError as error:
            self._failed(ended, head, current.missing, str(error))
        except StaleWrite:
            return  # another handler was first; the next sweep looks again

    def _look(
        self, ended: Build, head: Stored[ImageHead], version: GalleryVersion, missing: MissingRegions
    ) -> None:
        live = self.galleries.find_version(ended.gallery, ended.image, version)
        if live is None or live.state not in _AT_REST:
            return
        there = {replication.region_key(name) for name in live.regions} - set(live.failed_regions)
        left = tuple(name for name in missing.names if replication.region_key(name) not in there)
        if not left and live.state is VersionState.READY:
            self._note(head, None)
            self.effects.logs.note("regions-complete", image=str(ended.image), build_id=str(ended.id))
            return
        wanted = self.effects.documents.definition(ended.definition).publish.regions
        if live.failed_regions or live.state is VersionState.UPDATE_FAILED:
            self._failed(ended, head, replace(missing, names=left), live.detail)
            wanted = tuple(region for region in wanted if str(region.name) not in left)
        elif self.effects.clock.now() < missing.after:
            return
        self.galleries.set_regions(ended.gallery, ended.image, version, wanted)

    def _failed(self, ended: Build, head: Stored[ImageHead], missing: MissingRegions, why: str) -> None:
        tries = missing.tries + 1
        after = self.effects.clock.now() + replication.turn_after(tries)
        self._note(head, replace(missing, tries=tries, after=after, why=why))
        self.effects.logs.note("regions-failed", image=str(ended.image), build_id=str(ended.id), error=why)

    def _note(self, head: Stored[ImageHead], missing: MissingRegions | None) -> None:
        if head.value.current is None:
            return
        changed = replace(head.value, current=replace(head.value.current, missing=missing))
        self.images.commit([records.put_head(changed, etag=head.etag)])
        self.effects.projection.project(changed.name)
