"""The signed statement about a version: a DSSE envelope, and the in-toto statement (SLSA provenance v1) in it.

Anybody may have written the content. So sizes are bounded, and the result is what a statement says, not what is true.
A caller must verify the envelope's signature before it reads and trusts the payload.
"""

import base64
import binascii
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from pipeline_core.domain.canonical import ascii_text
from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.domain.names import Digest
from pipeline_core.domain.proofs import (
    Proof,
    PublicationRecord,
    VersionFacts,
    parse_published,
    published_text,
)
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.signatures import PAYLOAD_TYPE, Signature, pre_authentication_encoding
from pipeline_core.domain.verdicts import Verdict

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PUBLICATION_TYPE = "https://imagefactory.dev/publication/v1"
TOOL = "imagefactory:catalog/"  # begins the URI of a staged tool among the dependencies
GATES = "imagefactory:gates"  # names the byproduct whose annotations are the gates' verdicts
STATEMENT_LIMIT = 1024 * 1024  # bytes
ENVELOPE_LIMIT = 2 * 1024 * 1024  # bytes: the statement in base64, and signatures
_SIGNATURES = 8  # in one envelope; more are refused
# Rounds over the galleries read the same few statements again and again, so the short ones are kept parsed.
_KEPT = 256
_SHORT = 64 * 1024  # bytes, so that a writer of large blobs cannot take much memory


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Signature(_Wire):
    keyid: Annotated[str, Field(max_length=200)] = ""
    sig: Annotated[str, Field(max_length=2000)]


class Envelope(_Wire):
    """DSSE: a payload, the type under which it was signed, and signatures over both. Values are not decoded."""

    payload: str
    payload_type: str = Field(alias="payloadType")
    signatures: Annotated[tuple[_Signature, ...], Field(min_length=1, max_length=_SIGNATURES)]

    @classmethod
    def of(cls, payload: bytes, signature: Signature) -> "Envelope":
        """An envelope with one signature over an in-toto statement."""
        signed = _Signature(keyid=signature.key, sig=base64.b64encode(signature.value).decode())
        content = base64.b64encode(payload).decode()
        return cls.model_validate(
            {"payload": content, "payloadType": PAYLOAD_TYPE, "signatures": (signed.model_dump(),)}
        )

    @classmethod
    def from_wire(cls, content: bytes) -> "Envelope":
        """Raise MalformedMessage where the content is too large or is not an envelope around an in-toto statement."""
        if len(content) > ENVELOPE_LIMIT:
            raise MalformedMessage(f"the envelope has more than {ENVELOPE_LIMIT} bytes")
        return _kept_envelope(content) if len(content) <= _SHORT else _envelope(content)

    def to_wire(self) -> bytes:
        """Bytes of the envelope's blob."""
        return self.model_dump_json(by_alias=True).encode()

    def content(self) -> bytes:
        """The payload's bytes; raises MalformedMessage."""
        return self._content

    @functools.cached_property
    def _content(self) -> bytes:
        return _decoded(self.payload, "payload")

    def signed_message(self) -> bytes:
        """The bytes that the signatures sign; raises MalformedMessage."""
        return signed_message(self.content())

    def to_domain(self) -> tuple[Signature, ...]:
        """The signatures; raises MalformedMessage."""
        return tuple(
            Signature(key=each.keyid, value=_decoded(each.sig, "signature")) for each in self.signatures
        )


class _Resource(_Wire):
    uri: str = ""
    name: str = ""
    digest: dict[str, str] = {}
    annotations: dict[str, Any] = {}


class _Definition(_Wire):
    external: dict[str, Any] = Field(alias="externalParameters")
    internal: dict[str, Any] = Field({}, alias="internalParameters")
    dependencies: tuple[_Resource, ...] = Field((), alias="resolvedDependencies")


class _Metadata(_Wire):
    invocation: str = Field(alias="invocationId")


class _Run(_Wire):
    metadata: _Metadata
    byproducts: tuple[_Resource, ...] = ()


class _Predicate(_Wire):
    definition: _Definition = Field(alias="buildDefinition")
    run: _Run = Field(alias="runDetails")


class _Statement(_Wire):
    kind: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = Field(alias="predicateType")
    subject: Annotated[tuple[_Resource, ...], Field(min_length=1, max_length=1)]
    predicate: _Predicate


class _Verdict(_Wire):
    passed: StrictBool
    evidence: str = ""
    simulated: StrictBool = False
    score: float | None = None
    waived: tuple[str, ...] = ()


class _Facts(_Wire):
    statement: Annotated[dict[str, str], Field(max_length=8)]
    source: str = ""
    published: str = Field("", alias="publishedDate")
    disk_gb: int | None = Field(None, alias="osDiskSizeGb")


class _Publication(_Wire):
    kind: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://imagefactory.dev/publication/v1"] = Field(alias="predicateType")
    subject: Annotated[tuple[_Resource, ...], Field(min_length=1, max_length=1)]
    predicate: _Facts


def render_publication(publication: PublicationRecord) -> bytes:
    """The canonical bytes of the record of a publication: an in-toto statement with a predicate of ours."""
    facts = publication.facts
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": publication.subject, "digest": {"sha256": publication.tags}}],
            "predicateType": PUBLICATION_TYPE,
            "predicate": {
                "statement": {"sha256": publication.statement},
                "source": facts.source,
                "publishedDate": published_text(facts.published_at),
                "osDiskSizeGb": facts.disk_gb,
            },
        }
    )


def read_publication(payload: bytes) -> PublicationRecord:
    """The content of a record of publication; raises MalformedMessage where it is none. Verify its signature first."""
    if len(payload) > _SHORT:
        raise MalformedMessage(f"the record of publication has more than {_SHORT} bytes")
    try:
        said = _Publication.model_validate_json(payload)
    except ValidationError as error:
        raise MalformedMessage(
            f"the statement is not a record of publication of this factory: {_places(error)}"
        ) from error
    facts = said.predicate
    return PublicationRecord(
        statement=facts.statement.get("sha256", ""),
        subject=said.subject[0].name,
        tags=said.subject[0].digest.get("sha256", ""),
        facts=VersionFacts(
            source=facts.source, published_at=parse_published(facts.published), disk_gb=facts.disk_gb
        ),
    )


def read_statement(payload: bytes) -> Proof:
    """The content of a statement; raises MalformedMessage where it is not one of this factory. Verify it first."""
    if len(payload) > STATEMENT_LIMIT:
        raise MalformedMessage(f"the statement has more than {STATEMENT_LIMIT} bytes")
    return _kept_proof(payload) if len(payload) <= _SHORT else _proof(payload)


def signed_message(payload: bytes) -> bytes:
    """The bytes that a signature of a statement signs."""
    return pre_authentication_encoding(PAYLOAD_TYPE, payload)


def canonical(statement: Mapping[str, object]) -> bytes:
    """The bytes of a statement. The same statement has the same digest."""
    return ascii_text(statement)


def _envelope(content: bytes) -> Envelope:
    try:
        envelope = Envelope.model_validate_json(content)
    except ValidationError as error:
        raise MalformedMessage(f"the content is not a DSSE envelope: {_places(error)}") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedMessage(
            f"the envelope holds {envelope.payload_type[:100]!r}, not an in-toto statement"
        )
    return envelope


def _proof(payload: bytes) -> Proof:
    try:
        said = _Statement.model_validate_json(payload)
        verdicts = tuple(_verdicts(said.predicate.run.byproducts))
    except ValidationError as error:
        raise MalformedMessage(
            f"the statement is not provenance of this factory: {_places(error)}"
        ) from error
    definition, subject = said.predicate.definition, said.subject[0]
    lane = definition.external.get("lane")
    return Proof(
        digest=Digest(hashlib.sha256(payload).hexdigest()),
        subject=subject.name,
        tags=subject.digest.get("sha256", ""),
        build=said.predicate.run.metadata.invocation,
        fingerprint=str(definition.internal.get("fingerprint", "")),
        verdicts=verdicts,
        image=_text(definition.external.get("image")),
        version=_text(definition.external.get("version")),
        source=_text(definition.internal.get("source")),
        catalog=tuple(_tools(definition.dependencies)),
        lane=Lane[lane] if isinstance(lane, str) and lane in Lane.__members__ else Lane.BACKGROUND,
    )


# Values are frozen, and only content that is right is kept: one that raises is parsed again.
_kept_envelope = functools.lru_cache(maxsize=_KEPT)(_envelope)
_kept_proof = functools.lru_cache(maxsize=_KEPT)(_proof)


def _verdicts(byproducts: tuple[_Resource, ...]) -> Iterator[Verdict]:
    for byproduct in byproducts:
        if byproduct.name != GATES:
            continue
        for gate, said in sorted(byproduct.annotations.items()):
            verdict = _Verdict.model_validate(said)
            yield Verdict(gate=gate, **verdict.model_dump())


def _tools(dependencies: tuple[_Resource, ...]) -> Iterator[tuple[str, str, str]]:
    for dependency in dependencies:
        if dependency.uri.startswith(TOOL):
            tool, _, version = dependency.uri.removeprefix(TOOL).partition("@")
            yield tool, version, dependency.digest.get("sha256", "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _decoded(text: str, what: str) -> bytes:
    """DSSE allows both alphabets of base64."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage(f"the envelope's {what} is not base64") from error


def _places(error: ValidationError) -> str:
    """The places that are wrong, without their values."""
    places = (".".join(map(str, each["loc"])) or "the content" for each in error.errors()[:5])
    return f"{error.error_count()} places are wrong: {', '.join(places)}"
