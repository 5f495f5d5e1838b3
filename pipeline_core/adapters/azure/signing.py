"""The signing key in Key Vault: it signs there and never leaves the vault. Signatures are verified here.

Every enabled version of the key is trusted. So signatures from before a rotation stay valid, and the signatures
of a disabled version become invalid within minutes.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from azure.keyvault.keys import KeyClient, KeyProperties, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm

from pipeline_core.adapters import trust
from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import ErrorClass, InvalidValue, NotFound, PermanentError
from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.ports import Clock
from pipeline_core.wire import es256

_IDENTIFIER = re.compile(r"(https://[^/]+)/keys/([0-9A-Za-z-]{1,127})(?:/([0-9a-f]{32}))?/?", re.ASCII)
_KEPT = timedelta(minutes=5)  # the longest time that a version is trusted after it was disabled
# The shortest time between two looks because of an unknown key: anybody can make such a signature.
_AGAIN = timedelta(seconds=30)
_VERSIONS = 50  # versions of the key that are read, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """The place of the key. With a `version`, only that one signs. The other enabled versions are still trusted."""

    vault: str
    name: str
    version: str = ""

    @classmethod
    def parse(cls, identifier: str) -> "KeyPlace":
        """Raise InvalidValue for anything but `https://VAULT/keys/NAME` or `.../VERSION`."""
        found = _IDENTIFIER.fullmatch(identifier)
        if found is None:
            raise InvalidValue(
                "an identifier of a key", identifier, "https://VAULT/keys/NAME, with or without version"
            )
        return cls(vault=found[1], name=found[2], version=found[3] or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The vault's answer: the trusted versions, and the version that signs (the newest, or the named one)."""

    keys: tuple[PublicKey, ...]
    signing: KeyVaultKey | None
    at: datetime


class KeyVaultSigner:
    """`cryptography` gives the client that signs with one version. One client is made for each version."""

    def __init__(
        self,
        keys: KeyClient,
        cryptography: Callable[[KeyVaultKey], CryptographyClient],
        place: KeyPlace,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._cryptography = cryptography
        self._place = place
        self._clock = clock
        self._known: _Known | None = None
        self._clients: dict[str, CryptographyClient] = {}
        self._lock = threading.Lock()

    def sign(self, message: bytes) -> Signature:
        """A signature by the newest enabled version. Raises NotFound and PermanentError (PERMISSION)."""
        signing = self._look(_KEPT).signing
        try:
            return self._sign(signing, message)
        except PermanentError:
            # The version may have been disabled after it was looked up, because another one replaced it.
            newest = self._look(timedelta(0)).signing
            if newest is None or (signing is not None and newest.id == signing.id):
                raise
            return self._sign(newest, message)

    def _sign(self, signing: KeyVaultKey | None, message: bytes) -> Signature:
        if signing is None:
            raise PermanentError(
                ErrorClass.PERMISSION,
                f"the key {self._place.name} has no enabled version on the curve P-256 to sign with: make one",
            )
        digest = hashlib.sha256(message).digest()
        with errors.translated(f"sign with key {self._place.name}"):
            signed = self._client(signing).sign(SignatureAlgorithm.es256, digest)
        return Signature(key=_public(signing).id, value=es256.der_of(signed.signature))

    def find_signer(self, message: bytes, signatures: Sequence[Signature]) -> PublicKey | None:
        """The trusted key that one of the signatures was made with, or None."""
        found = trust.signer_among(self.trusted_keys(), message, signatures)
        named = {signature.key for signature in signatures}
        if found is None and not named <= {key.id for key in self.trusted_keys()}:
            # The version may be newer than the known versions.
            found = trust.signer_among(self._look(_AGAIN).keys, message, signatures)
        return found

    def trusted_keys(self) -> Sequence[PublicKey]:
        """Every version of the key that is enabled, newest first. The list is at most five minutes old."""
        return self._look(_KEPT).keys

    def _look(self, age: timedelta) -> _Known:
        """The vault's answer, at most `age` old: one list call, and one read of each enabled version."""
        with self._lock:
            now = self._clock.now()
            if self._known is None or not timedelta(0) <= now - self._known.at < age:
                self._known = self._ask(now)
            return self._known

    def _ask(self, now: datetime) -> _Known:
        with errors.translated(f"read key {self._place.name}"):
            listed = list(islice(self._keys.list_properties_of_key_versions(self._place.name), _VERSIONS))
            usable = sorted(filter(_is_enabled, listed), key=_created, reverse=True)
            found = [self._keys.get_key(self._place.name, each.version) for each in usable]
        if not listed:
            raise NotFound(f"the key vault has no key {self._place.name}: create it on the curve P-256")
        fitting = [key for key in found if _is_p256(key)]
        signing = [
            key
            for key in fitting
            if self._place.version in ("", key.properties.version) and _is_valid(key.properties, now)
        ]
        return _Known(
            keys=tuple(_public(key) for key in fitting), signing=signing[0] if signing else None, at=now
        )

    def _client(self, key: KeyVaultKey) -> CryptographyClient:
        with self._lock:
            if key.id not in self._clients:
                self._clients[key.id] = self._cryptography(key)
            return self._clients[key.id]


def _is_enabled(properties: KeyProperties) -> bool:
    return bool(properties.enabled)


def _created(properties: KeyProperties) -> float:
    return 0.0 if properties.created_on is None else properties.created_on.timestamp()


def _is_valid(properties: KeyProperties, now: datetime) -> bool:
    """True if Key Vault lets the version sign now. Its signatures stay valid after its time is over."""
    begins, ends = properties.not_before, properties.expires_on
    return (begins is None or begins <= now) and (ends is None or now < ends)


def _is_p256(key: KeyVaultKey) -> bool:
    crv, x, y = _members(key)
    return crv == "P-256" and bool(x) and bool(y)


def _public(key: KeyVaultKey) -> PublicKey:
    _, x, y = _members(key)
    return es256.of_coordinates(x, y)


def _members(key: KeyVaultKey) -> tuple[str, bytes, bytes]:
    """Curve and coordinates. The SDK sets them on the instance only, and leaves out absent fields of a key."""
    found: dict[str, Any] = vars(key.key)
    curve = found.get("crv")
    return (
        str(getattr(curve, "value", curve) or ""),
        bytes(found.get("x") or b""),
        bytes(found.get("y") or b""),
    )
