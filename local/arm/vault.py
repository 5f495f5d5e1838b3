"""Key Vault: secrets and keys. The gate demands the vault's own audience. This module knows only names and values.

Keys are on the curve P-256 and sign ES256, as `az keyvault key create --kty EC` makes them. No answer shows a private
key. One key exists from the start: the key with which the factory signs provenance.
"""

import base64
import hashlib
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

SIGNING_KEY: Final = "provenance"
_PAGE: Final = 25  # rows on one page of a list, as in Key Vault (azure-keyvault-keys: `maxresults`)
# azure-rest-api-specs, keyvault data plane, SetSecret: `secret-name`; "About Azure Key Vault secrets": at most 25 KB.
_SECRET_NAME: Final = re.compile(r"[0-9a-zA-Z-]{1,127}", re.ASCII)
_SECRET_LIMIT: Final = 25_000
_HALF: Final = 32  # bytes of a coordinate, and of each half of a signature
_SHA256: Final = ec.ECDSA(Prehashed(hashes.SHA256()))


class Vault:
    """The secrets and keys of one vault, newest version last."""

    def __init__(self) -> None:
        self._secrets: dict[str, list[_SecretVersion]] = {}
        self._keys: dict[str, list[_KeyVersion]] = {}
        self.create_key(SIGNING_KEY)

    def set(self, name: str, value: str, content_type: str = "") -> str:
        """Store a new version; its id. The secret of a certificate has a content type."""
        made = _SecretVersion(
            value=value, content_type=content_type, created=int(datetime.now(UTC).timestamp())
        )
        self._secrets.setdefault(name.lower(), []).append(made)
        return made.version

    def create_key(self, name: str) -> str:
        """Make a key, or a new version of one; its version."""
        versions = self._keys.setdefault(name.lower(), [])
        # Key Vault counts in seconds. Only tests rotate a key twice in one second.
        earliest = versions[-1].created + 1 if versions else 0
        made = _KeyVersion(created=max(int(datetime.now(UTC).timestamp()), earliest))
        versions.append(made)
        return made.version

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        return [
            ArmRoute("GET", "/secrets", self._list_secrets),
            ArmRoute("GET", "/secrets/{name}/versions", self._list_secret_versions),
            ArmRoute("GET", "/secrets/{name}", self._get),
            ArmRoute("GET", "/secrets/{name}/{version}", self._get),
            ArmRoute("PUT", "/secrets/{name}", self._put),
            ArmRoute("GET", "/keys", self._list_keys),
            ArmRoute("POST", "/keys/{name}/create", self._create_key),
            ArmRoute("POST", "/keys/{name}/rotate", self._rotate_key),
            ArmRoute("GET", "/keys/{name}/versions", self._list_versions),
            ArmRoute("GET", "/keys/{name}", self._get_key),
            ArmRoute("GET", "/keys/{name}/{version}", self._get_key),
            ArmRoute("PATCH", "/keys/{name}/{version}", self._update_key),
            ArmRoute("POST", "/keys/{name}/{version}/sign", self._sign),
            ArmRoute("POST", "/keys/{name}/{version}/verify", self._verify),
        ]

    def _put(self, call: Call) -> ArmAnswer:
        name, value = call.names["name"], call.json().get("value")
        if not _SECRET_NAME.fullmatch(name):
            raise ArmError(400, "BadParameter", f"The request URI contains an invalid name: {name}")
        if not isinstance(value, str) or len(value.encode()) > _SECRET_LIMIT:
            raise ArmError(400, "BadParameter", "Property has invalid value: value")
        self.set(name, value, str(call.json().get("contentType") or ""))
        return self._get(call)

    def _get(self, call: Call) -> ArmAnswer:
        name, version = call.names["name"], call.names.get("version", "")
        versions = [each for each in self._secrets.get(name.lower(), []) if version in ("", each.version)]
        if not versions:
            raise ArmError(
                404,
                "SecretNotFound",
                f"A secret with (name/id) {name}/{version} was not found in this key vault. If you recently deleted "
                "this secret you may be able to recover it using the correct recovery command.",
            )
        found = versions[-1]
        kind = {"contentType": found.content_type} if found.content_type else {}
        identifier = f"{call.base}/secrets/{name}/{found.version}"
        return ArmAnswer(
            body={"value": found.value, **kind, "id": identifier, "attributes": _attributes(found.created)}
        )

    def _list_secrets(self, call: Call) -> ArmAnswer:
        """Names without values, as Key Vault lists them."""
        rows = [
            {"id": f"{call.base}/secrets/{name}", "attributes": _attributes(versions[-1].created)}
            for name, versions in sorted(self._secrets.items())
        ]
        return _page(call, "/secrets", rows)

    def _list_secret_versions(self, call: Call) -> ArmAnswer:
        name = call.names["name"]
        rows = [
            {"id": f"{call.base}/secrets/{name}/{each.version}", "attributes": _attributes(each.created)}
            for each in self._secrets.get(name.lower(), [])
        ]
        return _page(call, f"/secrets/{name}/versions", rows)

    def _list_keys(self, call: Call) -> ArmAnswer:
        rows = [
            {"kid": f"{call.base}/keys/{name}", "attributes": versions[-1].attributes()}
            for name, versions in sorted(self._keys.items())
        ]
        return _page(call, "/keys", rows)

    def _create_key(self, call: Call) -> ArmAnswer:
        body = call.json()
        if body.get("kty") not in ("EC", "EC-HSM") or body.get("crv", "P-256") != "P-256":
            raise ArmError(501, "NotEmulated", "this vault makes keys of type EC on the curve P-256 only")
        self.create_key(call.names["name"])
        return self._get_key(call)

    def _rotate_key(self, call: Call) -> ArmAnswer:
        self._find(call)
        self.create_key(call.names["name"])
        return self._get_key(call)

    def _get_key(self, call: Call) -> ArmAnswer:
        return ArmAnswer(body=self._find(call).shown(_identifier(call)))

    def _list_versions(self, call: Call) -> ArmAnswer:
        """The versions, oldest first and in pages. A client must read all pages to find the newest."""
        versions = self._keys.get(call.names["name"].lower(), [])
        rows = [
            {"kid": f"{_identifier(call)}/{each.version}", "attributes": each.attributes()}
            for each in versions
        ]
        return _page(call, f"/keys/{call.names['name']}/versions", rows)

    def _update_key(self, call: Call) -> ArmAnswer:
        found = self._find(call)
        enabled = (call.json().get("attributes") or {}).get("enabled")
        if isinstance(enabled, bool):
            found.enabled = enabled
        return ArmAnswer(body=found.shown(_identifier(call)))

    def _sign(self, call: Call) -> ArmAnswer:
        found = self._usable(call)
        r, s = decode_dss_signature(found.key.sign(_digest(call), _SHA256))
        raw = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
        return ArmAnswer(body={"kid": f"{_identifier(call)}/{found.version}", "value": _encoded(raw)})

    def _verify(self, call: Call) -> ArmAnswer:
        found, raw = self._usable(call), _decoded(str(call.json().get("value", "")))
        der = encode_dss_signature(int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
        try:
            found.key.public_key().verify(der, _digest(call, "digest"), _SHA256)
        except InvalidSignature:
            return ArmAnswer(body={"value": False})
        return ArmAnswer(body={"value": len(raw) == 2 * _HALF})

    def _find(self, call: Call) -> "_KeyVersion":
        name, version = call.names["name"], call.names.get("version", "")
        versions = [each for each in self._keys.get(name.lower(), []) if version in ("", each.version)]
        if not versions:
            raise ArmError(
                404,
                "KeyNotFound",
                f"A key with (name/id) {name}/{version} was not found in this key vault. If you recently deleted "
                "this key you may be able to recover it using the correct recovery command.",
            )
        return versions[-1]

    def _usable(self, call: Call) -> "_KeyVersion":
        found = self._find(call)
        if not found.enabled:
            text = "Operation is not allowed on a disabled key."
            raise ArmError(403, "Forbidden", f"{text} Inner error: KeyDisabled.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _SecretVersion:
    """One version of a secret."""

    value: str = field(repr=False)
    content_type: str
    created: int
    version: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(slots=True, kw_only=True)
class _KeyVersion:
    """One version of a key. It lives as long as the emulator."""

    created: int
    version: str = field(default_factory=lambda: uuid.uuid4().hex)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    enabled: bool = True

    def attributes(self) -> Json:
        return _attributes(self.created, enabled=self.enabled)

    def shown(self, identifier: str) -> Json:
        numbers = self.key.public_key().public_numbers()
        key = {
            "kid": f"{identifier}/{self.version}",
            "kty": "EC",
            "crv": "P-256",
            "key_ops": ["sign", "verify"],
            "x": _encoded(numbers.x.to_bytes(_HALF, "big")),
            "y": _encoded(numbers.y.to_bytes(_HALF, "big")),
        }
        return {"key": key, "attributes": self.attributes()}


def _attributes(created: int, *, enabled: bool = True) -> Json:
    return {"enabled": enabled, "created": created, "updated": created, "recoveryLevel": "Recoverable"}


def _page(call: Call, path: str, rows: list[Json]) -> ArmAnswer:
    """One page of a list: as many rows as the caller asks for, at most 25, and a link to the next page."""
    start, size = int(call.query.get("$skiptoken", "0")), min(_PAGE, int(call.query.get("maxresults", _PAGE)))
    following = start + size
    link = f"{call.base}{path}?api-version={call.api_version}&$skiptoken={following}&maxresults={size}"
    return ArmAnswer(
        body={"value": rows[start:following], "nextLink": link if following < len(rows) else None}
    )


def _identifier(call: Call) -> str:
    return f"{call.base}/keys/{call.names['name']}"


def _digest(call: Call, name: str = "value") -> bytes:
    """The digest to sign. The message itself is never sent."""
    body = call.json()
    if body.get("alg") != "ES256":
        raise ArmError(400, "BadParameter", "Property has invalid value: alg")
    digest = _decoded(str(body.get(name, "")))
    if len(digest) != hashlib.sha256().digest_size:
        raise ArmError(400, "BadParameter", f"Property has invalid value: {name}")
    return digest


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise ArmError(400, "BadParameter", "Property is not base64url") from error
