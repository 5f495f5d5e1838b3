"""The record of a publication: a second signed statement, about what the gallery shows of a version that was copied.

It is written once, after the copy and before the version is let into `latest`. From then on a version that somebody
deletes and makes anew under its number, with all its tags, is not the one that was published.
"""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, NotProven, PermanentError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.proofs import Proof, PublicationRecord, VersionFacts
from pipeline_core.ports import Blobs, Signer
from pipeline_core.wire import provenance as wire

_CONTAINER = "provenance"
_END = ".publication.dsse.json"  # of a record's name
_COPIES = 100  # blobs about one version that are looked through: two of the statement, one for each copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Publications:
    """One blob for each copy that was published: its name has the statement and the time that the gallery shows.

    So a copy that the factory itself had to make again has a record of its own. It costs one read to know a record, and
    one write and a signature to make it. Where there is none, it costs a list call.
    """

    blobs: Blobs
    signer: Signer

    def record(self, proof: Proof, facts: VersionFacts) -> PublicationRecord:
        """The record of this copy, made where there is none. The first one stays, also where two handlers write it.

        A process that dies before it leaves the build where it was, and its next step makes the record. Raises
        NotProven where the stored one cannot be believed.
        """
        content = self._read(_name(proof.digest, facts.published_at))
        if content is not None:
            return self._believe(content, proof.digest)
        made = PublicationRecord(
            statement=str(proof.digest), subject=proof.subject, tags=proof.tags, facts=facts
        )
        payload = wire.render_publication(made)
        envelope = wire.Envelope.of(payload, self.signer.sign(wire.signed_message(payload))).to_wire()
        name = _name(proof.digest, facts.published_at)
        with contextlib.suppress(AlreadyExists):
            self.blobs.create(_CONTAINER, name, envelope, media_type="application/json")
        return made

    def find(self, statement: Digest, published_at: datetime | None) -> PublicationRecord | None:
        """The record of the copy that was published at this time, else of another copy of this version, or None.

        Raises NotProven for one that no trusted key has signed, MalformedMessage for one that cannot be read.
        """
        content = self.find_envelope(statement, published_at)
        return None if content is None else self._believe(content, statement)

    def find_envelope(self, statement: Digest, published_at: datetime | None) -> bytes | None:
        """The envelope that `find` reads, as it is stored, or None. Raises NotProven if it is too large."""
        content = self._read(_name(statement, published_at))
        if content is not None:
            return content
        listed = self.blobs.list(_CONTAINER, f"{statement}.", limit=_COPIES)
        other = next((facts.name for facts in listed if facts.name.endswith(_END)), None)
        return None if other is None else self._read(other)

    def _read(self, name: str) -> bytes | None:
        try:
            return self.blobs.read(_CONTAINER, name, limit=wire.ENVELOPE_LIMIT)
        except NotFound:
            return None
        except PermanentError as error:
            if error.error_class is not ErrorClass.POLICY:
                raise
            raise NotProven(f"the record of publication {name} is too large: {error}") from error

    def _believe(self, content: bytes, statement: Digest) -> PublicationRecord:
        envelope = wire.Envelope.from_wire(content)
        if self.signer.find_signer(envelope.signed_message(), envelope.to_domain()) is None:
            raise NotProven(f"no trusted key has signed the record of publication of {statement}")
        return wire.read_publication(envelope.content())


def _name(statement: Digest, published_at: datetime | None) -> str:
    at = "undated" if published_at is None else f"{published_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"
    return f"{statement}.{at}{_END}"
