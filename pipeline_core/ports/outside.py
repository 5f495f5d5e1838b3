"""Secrets, keys, callers and the web: what must be proven, signed, or reached outside of Azure Resource Manager."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from pipeline_core.domain import actors
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.signatures import PublicKey, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One version of a secret. No text of it shows the value."""

    version: str
    value: str = field(repr=False)


class Secrets(Protocol):
    """The vault of the receivers' signing secrets. Names have no case."""

    def get(self, name: str, version: str = "") -> Secret:
        """The newest version, or this one. Raises NotFound."""
        ...

    def set(self, name: str, value: str) -> str:
        """Store a new version beside the older ones, which stay; its id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """Status and body of an answer. The body has at most the caller's limit of bytes.

    `retry_after` is how long the answer asks to wait, at most an hour; None where it does not say.
    """

    status: int
    body: bytes
    retry_after: timedelta | None = None


class Web(Protocol):
    """Plain HTTPS to the outside, for signing keys and webhooks. An exchange ends within 20 s, whatever it meets."""

    def get(self, url: str, *, limit: int) -> WebAnswer:
        """One GET. It refuses other schemes than https, redirects, and bodies over `limit` bytes."""
        ...

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int) -> WebAnswer:
        """One POST under the same rules, to public addresses only (PermanentError, POLICY)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller, proven by a verified token: app roles, and the teams that roles and groups prove.

    `subject` is the object id (claim `oid`) of the person or application in `tenant`, `pairwise` the claim `sub`.
    `client` is the application that calls: the caller itself where `is_application`, else the person's tool.
    """

    subject: str
    name: str
    roles: frozenset[str] = frozenset()
    teams: frozenset[TeamName] = frozenset()
    tenant: str = ""
    pairwise: str = ""
    client: str = ""
    is_application: bool = False

    @property
    def actor(self) -> Actor:
        """Who is written down for what the caller does."""
        if self.is_application and self.client:
            return actors.identified("application", self.client, self.tenant, self.name)
        return actors.identified("user", self.subject, self.tenant, self.name)


class Tokens(Protocol):
    """Verification of access tokens."""

    def verify(self, token: str) -> Principal:
        """The caller, or PermanentError (PERMISSION, because TOKEN is transient) with the reason for the refusal."""
        ...


class Signer(Protocol):
    """The key that signs this factory's statements, and every key whose signatures it trusts. ES256."""

    def sign(self, message: bytes) -> Signature:
        """A signature over exactly this message."""
        ...

    def find_signer(self, message: bytes, signatures: Sequence[Signature]) -> PublicKey | None:
        """The trusted key that made one of the signatures, or None. The keys' keeper trusts, never the message."""
        ...

    def trusted_keys(self) -> Sequence[PublicKey]:
        """Every version of the key that is enabled, newest first. The list may be some minutes old."""
        ...
