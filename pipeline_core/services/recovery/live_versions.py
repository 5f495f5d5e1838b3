"""The inputs of an image's live versions: read from their tags, and proven by signed provenance.

A version is not believed without signed provenance, or if its inputs do not give the fingerprint that it
carries. It then counts only as a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_core.domain import attempts
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import ErrorClass, FactoryError, PermanentError, TransientError
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import PublishedVersion
from pipeline_core.domain.names import BuildId, Digest, GalleryName, ImageName, RebuildToken
from pipeline_core.domain.recipe import recipe_digest
from pipeline_core.domain.recovery import LiveVersion
from pipeline_core.domain.sources import MarketplaceSource, OriginVersion, ParentVersion, SourceVersion
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.provenance.provenance import Provenance

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
    documents: Documents
    provenance: Provenance

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
                published = self._published(found)
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

    def _published(self, found: GalleryImageVersion) -> PublishedVersion:
        tags = found.tags
        definition = self.documents.definition(Digest(tags.get(attempts.DEFINITION_TAG, "")))
        proof = self.provenance.examine(found)
        token = tags.get(attempts.TOKEN_TAG, "")
        inputs = BuildInputs(
            image=found.image,
            recipe=recipe_digest(definition),
            bundle=definition.bundle,
            origin=_origin(definition, tags.get(attempts.ORIGIN_TAG, "")),
            platform=Digest(tags.get(attempts.PLATFORM_TAG, "")),
            catalog=proof.catalog,
            period=_number(tags.get(attempts.PERIOD_TAG, "")),
            token=RebuildToken(token) if token else None,
        )
        derived = fingerprint(inputs)
        if str(derived) != tags.get(attempts.FINGERPRINT_TAG) or str(found.image) != tags.get(
            attempts.IMAGE_TAG
        ):
            raise PermanentError(
                ErrorClass.POLICY, f"the tags of {found.version} do not give the fingerprint that it carries"
            )
        build = BuildId(tags.get(attempts.BUILD_TAG, ""))
        if build.image != found.image:
            raise PermanentError(ErrorClass.POLICY, f"{found.version} names a build of another image")
        return PublishedVersion(
            version=found.version,
            fingerprint=derived,
            inputs=inputs,
            build=build,
            lane=proof.lane,
            published_at=self.provenance.stored_at(proof.digest),
        )


def _origin(definition: ImageDefinition, text: str) -> OriginVersion:
    """The exact origin. The definition says to which source or parent it belongs."""
    origin = definition.origin
    if isinstance(origin, MarketplaceSource):
        version = MarketplaceVersion.parse(text.rpartition(":")[2])
        return SourceVersion(source=origin, version=version)
    return ParentVersion(image=origin.image, version=GalleryVersion.parse(text.rpartition("@")[2]))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise PermanentError(ErrorClass.POLICY, f"{text[:40]!r} is not a refresh period")
    return int(text)
