"""Show a consumer the proof of a live version: its tags as the gallery has them, the envelope, the public keys.

It guarantees nothing: the consumer verifies the proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain import proofs
from pipeline_core.domain.errors import InvalidValue, MalformedMessage, NotFound
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.signatures import PublicKey
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Signer
from pipeline_core.services.provenance import statements
from pipeline_core.services.provenance.places import VersionPlaces
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.wire.provenance import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionProof:
    """`envelope` is None if no envelope is stored, or if the stored blob is not an envelope."""

    image: str
    version: str
    subject: str
    state: str
    excluded_from_latest: bool
    tags: Mapping[str, str]
    envelope: Envelope | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """One point read, one look at the gallery, one blob."""

    places: VersionPlaces
    provenance: Provenance
    signer: Signer
    deployment: Deployment

    def show(self, image: ImageName, version: GalleryVersion) -> VersionProof:
        """Everything that is known of a version in the image's live gallery, also of a deleted one. Raises NotFound."""
        live = self.places.find_version(image, version)
        if live is None:
            galleries = " or ".join(map(str, self.places.of_image(image)))
            raise NotFound(
                f"{image}@{version} is not in {galleries}: `imagefactory versions list {image}` lists what is"
            )
        return VersionProof(
            image=str(image),
            version=str(version),
            subject=statements.version_id(self.deployment, live.gallery, image, version),
            state=live.state.value,
            excluded_from_latest=live.excluded_from_latest,
            tags=dict(live.tags),
            envelope=self._envelope(proofs.provenance_of(live.tags)),
        )

    def public_keys(self) -> Sequence[PublicKey]:
        """Every key whose signatures this factory trusts."""
        return self.signer.trusted_keys()

    def _envelope(self, named: str) -> Envelope | None:
        try:
            content = self.provenance.find_envelope(Digest(named))
            return None if content is None else Envelope.from_wire(content)
        except (InvalidValue, MalformedMessage):
            return None
