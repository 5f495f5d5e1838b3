"""The twin of the service that shows provenance, with one signed version."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline_core.adapters.memory.signing import MemorySigner
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.signatures import PublicKey
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.services.provenance.proofs import VersionProof
from pipeline_core.wire.provenance import Envelope, signed_message

VERSION = GalleryVersion(1, 20261121, 1)
PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'


@dataclass
class Proofs:
    """Knows `payments-api` in one version; without an envelope where `signed` is false."""

    signer: MemorySigner = field(default_factory=MemorySigner)
    signed: bool = True

    def show(self, image: ImageName, version: GalleryVersion) -> VersionProof:
        if (str(image), version) != ("payments-api", VERSION):
            raise NotFound(f"{image}@{version} is not in live")
        envelope = Envelope.of(PAYLOAD, self.signer.sign(signed_message(PAYLOAD)))
        return VersionProof(
            image=str(image),
            version=str(version),
            subject=f"/subscriptions/s/images/{image}/versions/{version}",
            state="ready",
            excluded_from_latest=False,
            tags={"imagefactory-build": "b"},
            source="/subscriptions/s/images/q",
            published_at=datetime(2026, 11, 21, 9, 30, 1, 250_000, tzinfo=UTC),
            disk_gb=64,
            envelope=envelope if self.signed else None,
            publication=envelope if self.signed else None,
        )

    def public_keys(self) -> list[PublicKey]:
        return list(self.signer.trusted_keys())
