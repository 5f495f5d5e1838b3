"""Tells from its first bytes whether a decoded body begins like a private key. Reads no values."""

from __future__ import annotations

import re

OPENSSH = b"openssh-key-v1\0"
SSH2 = b"\x3f\x6f\xf9\xeb"
_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
# PKCS 1, SEC 1 and PKCS 8: a version, then a number, an octet string or an algorithm.
_PLAIN = re.compile(rb"\x30" + _LENGTH + rb"\x02\x01[\x00-\x03][\x02\x04\x30]", re.DOTALL)
# PKCS 8 with a password: the algorithm comes first.
_LOCKED = re.compile(rb"\x30" + _LENGTH + rb"\x30" + _LENGTH + rb"\x06", re.DOTALL)


def begins_like_a_key(raw: bytes) -> bool:
    """True for the first bytes of a private key of any of the forms that are in use."""
    return is_key_alone(raw) or _LOCKED.match(raw) is not None or _is_pgp_secret(raw)


def is_key_alone(raw: bytes) -> bool:
    """True for first bytes that nothing but a private key has. A public key begins like one with a password."""
    return raw.startswith((OPENSSH, SSH2)) or _PLAIN.match(raw) is not None


def declared_length(raw: bytes) -> int:
    """How many bytes the outer sequence says that it has; 0 for anything but a sequence."""
    if len(raw) < 6 or raw[0] != 0x30:
        return 0
    first = raw[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    return 2 + count + int.from_bytes(raw[2 : 2 + count], "big") if 1 <= count <= 3 else 0


def _is_pgp_secret(raw: bytes) -> bool:
    """True for a packet of OpenPGP with a secret key or a secret subkey: tag 5 or 7."""
    if not raw or not raw[0] & 0x80:
        return False
    tag = raw[0] & 0x3F if raw[0] & 0x40 else (raw[0] >> 2) & 0x0F
    return tag in (5, 7)
