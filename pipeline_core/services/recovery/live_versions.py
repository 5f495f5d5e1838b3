"""The inputs of an image's live versions: read from their tags, and proven by signed provenance.

A version is not believed without signed provenance, or if its inputs do not give the fingerprint that it
carries. It then counts only as a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_core.domain import attempts
from pipeline_core.domain.errors import FactoryError, TransientError
from pipeline_core.domain.names import Digest, GalleryName, ImageName
from pipeline_core.domain.recovery import LiveVersion
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.provenance.live_facts import LiveFacts

_WHOLE = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The versions of one image in a gallery: `live` is believed, `doubted` gives the reason for each other version."""

    numbers: tuple[GalleryVersion, ...]
    live: tuple[LiveVersion, ...]
    doubted: Mapping[GalleryVersion, str]
    definition: Digest | None  # of the highest version of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVersions:
    """Reads galleries, definitions and provenance. Costs one list call per image and two reads per version."""

    galleries: Galleries
    facts: LiveFacts

    def look(self, gallery: GalleryName, image: ImageName) -> Found:
        """Every version of the image in a live gallery."""
        listed = self.galleries.list_versions(gallery, image)
        live: list[LiveVersion] = []
        doubted: dict[GalleryVersion, str] = {}
        definition: Digest | None = None
        for found in sorted(listed, key=lambda each: each.version):
            # A version that replicates or failed was never current. One that is being deleted is not current now.
            if self._state(found) not in _WHOLE or not found.tags.get(attempts.PROVENANCE_TAG):
                continue
            try:
                published = self.facts.read(found, adopts=True)
            except TransientError:
                raise
            except FactoryError as error:
                doubted[found.version] = str(error)
                continue
            live.append(LiveVersion(published=published, is_included=not found.excluded_from_latest))
            definition = Digest(found.tags[attempts.DEFINITION_TAG])
        return Found(
            numbers=tuple(found.version for found in listed),
            live=tuple(live),
            doubted=doubted,
            definition=definition,
        )

    def _state(self, listed: GalleryImageVersion) -> VersionState:
        """A list does not distinguish a copy that failed from a later change that failed."""
        if listed.state is not VersionState.FAILED:
            return listed.state
        found = self.galleries.find_version(listed.gallery, listed.image, listed.version)
        return listed.state if found is None else found.state
