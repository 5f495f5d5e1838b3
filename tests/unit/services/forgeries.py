"""What an intruder may do to stored envelopes: each forgery takes an envelope and gives what is read in its place."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.signing import MemorySigner
from pipeline_core.domain.errors import NotFound
from pipeline_core.wire.provenance import ENVELOPE_LIMIT, Envelope, canonical, signed_message

STRANGER = MemorySigner(first=0xBAD)
Forgery = Callable[[bytes], bytes]


@dataclass(slots=True, kw_only=True)
class ForgedBlobs:
    """Blobs whose envelopes are read as `forge` makes them, and within the limit of the reader."""

    inner: MemoryBlobs
    forge: Forgery

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        content = self.inner.read(container, name, limit=limit)
        if not name.endswith(".dsse.json"):
            return content
        twin = MemoryBlobs(self.inner._clock)
        twin.create(container, name, self.forge(content), media_type="")
        return twin.read(container, name, limit=limit)


def payload(envelope: bytes) -> dict[str, Any]:
    """The statement in an envelope."""
    found: dict[str, Any] = json.loads(Envelope.from_wire(envelope).content())
    return found


def signed(statement: dict[str, Any], signer: MemorySigner) -> bytes:
    """A statement that somebody signed."""
    content = canonical(statement)
    return Envelope.of(content, signer.sign(signed_message(content))).to_wire()


def _changed(envelope: bytes, **members: Any) -> bytes:
    return json.dumps({**json.loads(envelope), **members}).encode()


def _gone(_: bytes) -> bytes:
    raise NotFound("the envelope is gone")


def _other_payload(envelope: bytes) -> bytes:
    said = payload(envelope)
    said["predicate"]["buildDefinition"]["internalParameters"]["fingerprint"] = "e" * 64
    return _changed(envelope, payload=base64.b64encode(canonical(said)).decode())


def _by_stranger(envelope: bytes) -> bytes:
    return signed(payload(envelope), STRANGER)


def _under_our_name(envelope: bytes) -> bytes:
    ours = json.loads(envelope)["signatures"][0]["keyid"]
    theirs = json.loads(_by_stranger(envelope))["signatures"][0]["sig"]
    return _changed(envelope, signatures=[{"keyid": ours, "sig": theirs}])


def _with_own_key(envelope: bytes) -> bytes:
    """An envelope that brings the key to trust along: nobody reads that."""
    return _changed(_by_stranger(envelope), keys=[STRANGER.trusted_keys()[0].to_jwk()])


def _another_type(envelope: bytes) -> bytes:
    return _changed(envelope, payloadType="application/vnd.in-toto+json; charset=utf-8")


FORGERIES: dict[str, tuple[Forgery, str]] = {
    "the payload was changed": (_other_payload, "no trusted key has signed"),
    "a stranger signed": (_by_stranger, "no trusted key has signed"),
    "a stranger signed under the name of our key": (_under_our_name, "no trusted key has signed"),
    "the envelope brings its own key": (_with_own_key, "no trusted key has signed"),
    "the type was swapped": (_another_type, "not an in-toto statement"),
    "no signature is left": (lambda envelope: _changed(envelope, signatures=[]), "not a DSSE envelope"),
    "it is empty": (lambda _: b"", "not a DSSE envelope"),
    "it is not JSON": (lambda _: b"\x00\xff" * 50, "not a DSSE envelope"),
    "it is huge": (lambda envelope: envelope + b" " * ENVELOPE_LIMIT, "too large"),
    "it is gone": (_gone, "is not signed"),
}
