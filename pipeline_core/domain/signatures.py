"""What is signed and by which key, as plain values: DSSE's encoding, a signature, a public key and its name. Pure.

It computes no signature and checks none: the port `Signer` and the command do that.
"""

import base64
import functools
import hashlib
from dataclasses import dataclass

from pipeline_core.domain import canonical

PAYLOAD_TYPE = "application/vnd.in-toto+json"
CURVE = "P-256"
ALGORITHM = "ES256"  # ECDSA over P-256 with SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """`value` is the DER form of an ECDSA signature; `key` says which key to try, and proves nothing."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A point of P-256; `x` and `y` in base64url without padding, 32 bytes each, as a JSON Web Key has them."""

    x: str
    y: str

    @property
    def id(self) -> str:
        """Its thumbprint by RFC 7638 in base64url: the same wherever the key is kept, and however it is written."""
        return _thumbprint(self.x, self.y)

    def to_jwk(self) -> dict[str, str]:
        """As a member of a JSON Web Key Set."""
        return {
            "kty": "EC",
            "crv": CURVE,
            "x": self.x,
            "y": self.y,
            "use": "sig",
            "alg": ALGORITHM,
            "kid": self.id,
        }


@functools.lru_cache(maxsize=64)  # every question about a signature compares the ids of the few trusted keys
def _thumbprint(x: str, y: str) -> str:
    members = {"crv": CURVE, "kty": "EC", "x": x, "y": y}
    digest = hashlib.sha256(canonical.ascii_text(members)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: type and payload with their lengths, so that neither can be taken for the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
