"""Is the parent version of a build still there and offered? Asked before the build's version enters `latest`.

It is asked only where the plan of this moment does not name that version any more: the looks at the galleries follow
the current version of the parent, and nothing else looks at an older one.
"""

from dataclasses import dataclass

from pipeline_core.domain.builds import Build
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.version_records import Standing, standing_of
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.state.stores import Records

_LOST = frozenset({Standing.EXCLUDED, Standing.GONE, Standing.PRUNED})
_AT_REST = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LostParents:
    """Costs one point read; where the parent has moved on, one GET and one point read more."""

    records: Records
    galleries: Galleries

    def find(self, build: Build) -> str:
        """What speaks against the parent version of the build; empty where nothing does, and for a root.

        Raises TransientError where it cannot look.
        """
        origin = build.inputs.origin
        if not isinstance(origin, ParentVersion):
            return ""
        head = self.records.images.find_head(origin.image)
        if head is None:
            return ""
        current = None if head.value.current is None else head.value.current.version
        if current == origin.version:
            return ""
        gallery = head.value.registration.gallery
        live = self.galleries.find_version(gallery, origin.image, origin.version)
        if live is None or live.state not in _AT_REST:
            # A gallery that does not answer for its definition says nothing about a version.
            is_known = live is not None or self.galleries.find_image(gallery, origin.image) is not None
            return f"{gallery} no longer holds {origin}" if is_known else ""
        is_above = current is None or origin.version > current
        is_lost = self._standing(origin, live, is_above=is_above) in _LOST
        return f"{origin} was taken out of latest in {gallery}" if is_lost else ""

    def _standing(self, origin: ParentVersion, live: GalleryImageVersion, *, is_above: bool) -> Standing:
        """The standing of the version. Marks that are being changed say nothing."""
        stored = self.records.versions.find(origin.image, origin.version)
        is_offered = live.state is not VersionState.READY or latest.may_be_in(live)
        return standing_of(None if stored is None else stored.value, is_offered=is_offered, is_above=is_above)
