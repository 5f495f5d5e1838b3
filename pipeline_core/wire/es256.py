"""ECDSA over P-256 with SHA-256 (ES256): keys from PEM, signatures in DER. Loads `cryptography`.

Only adapters, the command and the emulator may import it, because only they hold keys.
"""

import base64
import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.signatures import PublicKey, Signature

_BYTES = 32  # of a coordinate, and of each half of a raw signature
_KEPT_KEYS = 16  # a keeper trusts a few versions of one key
# Answers about signatures: rounds over the galleries ask about the same ones again. An answer about these exact bytes
# never changes; whether the key is trusted does, and callers ask its keeper each time.
_KEPT_ANSWERS = 256
_SHORT = 64 * 1024  # bytes, so that a writer of large messages cannot take much memory
_PEM = "the PEM file of a key on the curve P-256 (openssl ecparam -name prime256v1 -genkey -noout)"


def read_private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """An unencrypted private key; raises InvalidValue, which never repeats the content."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise InvalidValue("a signing key", "the file", _PEM) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidValue("a signing key", "the file", _PEM)
    return key


def read_public(pem: bytes) -> PublicKey:
    """A public key; raises InvalidValue."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise InvalidValue("a public key", "the file", _PEM) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidValue("a public key", "the file", _PEM)
    return _shown(key)


def public_of(key: ec.EllipticCurvePrivateKey) -> PublicKey:
    """The public half."""
    return _shown(key.public_key())


def public_pem(key: PublicKey) -> bytes:
    """The public key in PEM, to be pinned by a consumer; raises InvalidValue where it is not a point of the curve."""
    return _loaded(key).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def of_coordinates(x: bytes, y: bytes) -> PublicKey:
    """A key from its two coordinates; leading zeros may be missing."""
    return PublicKey(x=_encoded(x.rjust(_BYTES, b"\0")), y=_encoded(y.rjust(_BYTES, b"\0")))


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> Signature:
    """A signature by this key."""
    return Signature(key=public_of(key).id, value=key.sign(message, ec.ECDSA(hashes.SHA256())))


def der_of(raw: bytes) -> bytes:
    """The DER form of a raw signature (both numbers, 32 bytes each), which Key Vault and JWS use."""
    return encode_dss_signature(int.from_bytes(raw[:_BYTES], "big"), int.from_bytes(raw[_BYTES:], "big"))


def is_signed(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """True where the signature over exactly this message was made with the private half of this very key."""
    is_short = len(message) + len(signature) <= _SHORT
    return (_kept_answer if is_short else _is_signed)(key, message, signature)


def _is_signed(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        _loaded(key).verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, InvalidValue):
        return False
    return True


_kept_answer = functools.lru_cache(maxsize=_KEPT_ANSWERS)(_is_signed)


def _shown(key: ec.EllipticCurvePublicKey) -> PublicKey:
    numbers = key.public_numbers()
    return of_coordinates(numbers.x.to_bytes(_BYTES, "big"), numbers.y.to_bytes(_BYTES, "big"))


@functools.lru_cache(maxsize=_KEPT_KEYS)
def _loaded(key: PublicKey) -> ec.EllipticCurvePublicKey:
    try:
        x, y = (int.from_bytes(_decoded(part), "big") for part in (key.x, key.y))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise InvalidValue("a public key", key.id, "a point on the curve P-256") from error


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
