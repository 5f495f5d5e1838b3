"""Show a consumer the proof of a live version: its tags as the gallery has them, the envelope, the public keys.

It guarantees nothing: the consumer verifies the proof.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain import proofs
from pipeline_core.domain.errors import InvalidValue, MalformedMessage, NotFound
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.signatures import PublicKey
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, Signer
from pipeline_core.services.provenance.places import VersionPlaces
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.provenance.publications import Publications
from pipeline_core.wire.provenance import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionProof:
    """`envelope` is None if no envelope is stored, or if the stored blob is not an envelope. So is `publication`, the
    record of the version's publication. `source`, `published_at` and `disk_gb` are as the gallery shows them now.
    """

    image: str
    version: str
    subject: str
    state: str
    excluded_from_latest: bool
    tags: Mapping[str, str]
    source: str
    published_at: datetime | None
    disk_gb: int | None
    envelope: Envelope | None
    publication: Envelope | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """One point read, one look at the gallery, two blobs."""

    places: VersionPlaces
    provenance: Provenance
    publications: Publications
    signer: Signer

    def show(self, image: ImageName, version: GalleryVersion) -> VersionProof:
        """Everything that is known of a version in the image's live gallery, also of a deleted one. Raises NotFound."""
        live = self.places.find_version(image, version)
        if live is None:
            galleries = " or ".join(map(str, self.places.of_image(image)))
            raise NotFound(
                f"{image}@{version} is not in {galleries}: `imagefactory versions list {image}` lists what is"
            )
        shown, named = self.provenance.shown(live), proofs.provenance_of(live.tags)
        return VersionProof(
            image=str(image),
            version=str(version),
            subject=shown.subject,
            state=live.state.value,
            excluded_from_latest=live.excluded_from_latest,
            tags=dict(live.tags),
            source=shown.facts.source,
            published_at=shown.facts.published_at,
            disk_gb=shown.facts.disk_gb,
            envelope=_stored(named, self.provenance.find_envelope),
            publication=_stored(named, lambda digest: self._publication(digest, live)),
        )

    def public_keys(self) -> Sequence[PublicKey]:
        """Every key whose signatures this factory trusts."""
        return self.signer.trusted_keys()

    def _publication(self, statement: Digest, live: GalleryImageVersion) -> bytes | None:
        return self.publications.find_envelope(statement, live.published_at)


def _stored(named: str, find: Callable[[Digest], bytes | None]) -> Envelope | None:
    try:
        content = find(Digest(named))
        return None if content is None else Envelope.from_wire(content)
    except (InvalidValue, MalformedMessage):
        return None
