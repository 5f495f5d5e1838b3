"""Decides whether a signed token (JWT) could open anything. Verifies no signature but those that anybody can make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from typing import Any

# A token that ended so long ago opens nothing, also not with a wrong clock.
_ENDED = 30 * 24 * 3600  # seconds
# A claim of one of these names says whose token it is, for whom, or what for. A service needs one to let anybody in.
_CLAIMS = frozenset(
    (
        "iss",
        "sub",
        "aud",
        "jti",
        "azp",
        "scope",
        "scp",
        "roles",
        "role",
        "groups",
        "permissions",
        "tid",
        "oid",
        "appid",
        "client_id",
        "cid",
        "email",
        "upn",
        "unique_name",
        "preferred_username",
        "username",
        "user",
        "user_id",
        "uid",
        "sid",
        "session_id",
        "tenant",
        "org",
        "account",
    )
)
# Names that RFC 2606 and RFC 6761 keep for examples.
_EXAMPLE = re.compile(
    r"(?i)(^|[/@.])example(\.(com|org|net|edu))?([:/]|$)|\.(example|test|invalid)([:/]|$)|localhost"
)
_SAMPLE_VALUES = frozenset({"1234567890", "John Doe", "Jane Doe", "joe", "alice", "bob", "admin@example.com"})
# What is signed with one of these words can be made by everybody, so it is not a secret.
_KNOWN_SECRETS = (
    "secret",
    "your-256-bit-secret",
    "your-secret-key",
    "key",
    "password",
    "changeme",
    "test",
    "",
)
_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def may_be_real(token: bytes, *, now: float) -> bool:
    """False where the token cannot be one, or cannot open anything at the time `now` in seconds since 1970.

    That is: its parts are not JSON; it is not signed; it ended more than 30 days ago; it names nobody and nothing; its
    names are those of documentation; or everybody can sign it. A token without an end may be real: it never ends.
    """
    head, body, signature = token.split(b".")[:3]
    header, claims = _json(head), _json(body)
    if header is None or claims is None or "alg" not in header:
        return False
    if str(header["alg"]).lower() == "none":
        return False
    end = claims.get("exp")
    if isinstance(end, (int, float)) and not isinstance(end, bool) and 0 < end < now - _ENDED:
        return False
    if not _CLAIMS & {str(key).lower() for key in claims} or _is_sample(claims):
        return False
    return not _is_signed_by_everybody(str(header["alg"]), head + b"." + body, signature)


def _is_sample(claims: dict[str, Any]) -> bool:
    """True if every claim that names somebody has a value of documentation."""
    named = [value for key, value in claims.items() if str(key).lower() in _CLAIMS]
    return all(isinstance(value, str) and _is_sample_value(value) for value in named)


def _is_sample_value(value: str) -> bool:
    return value in _SAMPLE_VALUES or _EXAMPLE.search(value) is not None


def _is_signed_by_everybody(algorithm: str, signed: bytes, signature: bytes) -> bool:
    made = _HASHES.get(algorithm)
    given = _decoded(signature)
    if made is None or given is None:
        return False
    return any(hmac.digest(word.encode(), signed, made) == given for word in _KNOWN_SECRETS)


def _json(part: bytes) -> dict[str, Any] | None:
    raw = _decoded(part)
    try:
        found = None if raw is None else json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _decoded(part: bytes) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return None
