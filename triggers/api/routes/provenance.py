"""Routes of provenance: the signed statement about a live version, and the public keys. Readers verify it."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from triggers.api.forms.names import ImageInPath, VersionInPath
from triggers.api.forms.shown import ImageShown, VersionShown
from triggers.api.models import Answer
from triggers.provider import Provider


class DsseSignature(Answer):
    """`keyid` is the key's RFC 7638 thumbprint; `sig` a DER signature in base64."""

    keyid: str
    sig: str


class DsseEnvelope(Answer):
    """A DSSE envelope around an in-toto statement with SLSA provenance v1."""

    payload: str
    payload_type: str = Field(serialization_alias="payloadType")
    signatures: tuple[DsseSignature, ...]


class VersionProvenance(Answer):
    """A version as its gallery shows it, and the envelope that its tags name; null where there is none.

    `publication` is the record of its publication, in an envelope too, or null. `source` is the resource id that the
    version was made from, `published_at` when, `disk_gb` how large its disk is; empty or null where it is not shown.
    """

    image: ImageShown
    version: VersionShown
    subject: str
    state: str
    excluded_from_latest: bool
    tags: dict[str, str]
    source: str
    published_at: datetime | None
    disk_gb: int | None
    envelope: DsseEnvelope | None
    publication: DsseEnvelope | None


class PublicKeys(BaseModel):
    """A JSON Web Key Set (RFC 7517), newest first."""

    keys: tuple[dict[str, str], ...]


def router(factory: Provider) -> APIRouter:
    """The routes `/api/provenance/keys` and `/api/images/NAME/versions/VERSION/provenance`."""
    routes = APIRouter(tags=["provenance"])

    @routes.get("/api/provenance/keys")
    def list_keys() -> PublicKeys:
        """The public keys of the factory's signatures, which it trusts itself. Pin them from another source."""
        return PublicKeys(keys=tuple(key.to_jwk() for key in factory().proofs.public_keys()))

    @routes.get("/api/images/{name}/versions/{version}/provenance")
    def show_provenance(name: ImageInPath, version: VersionInPath) -> VersionProvenance:
        """The tags of a live version and the signed statement about it; the factory verifies nothing here."""
        return VersionProvenance.model_validate(factory().proofs.show(name, version))

    return routes
