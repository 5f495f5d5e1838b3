"""What the container is given to call Azure with: settings of the container, never part of a job.

The identity serves Packer and the queue. It is a managed identity on Container Instances, and a workload identity
elsewhere. The token for blobs serves the attempt's own files. This module asks Azure for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from pipeline_core.domain.errors import ErrorClass, MalformedMessage, Owner, PermanentError
from pipeline_core.wire import blob_token

TOKEN_VARIABLE: Final = "IF_OIDC_REQUEST_TOKEN"  # noqa: S105  # a name
# The plugin reads the token only from the template. The template reads it from Packer's variable of this name.
PACKER_VARIABLE: Final = "oidc_request_token"
_SECRETS: Final = ("IDENTITY_HEADER", TOKEN_VARIABLE, blob_token.VARIABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedIdentity:
    """The identity of the container group. Azure gives its tokens to this container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadIdentity:
    """An identity that trusts tokens of another issuer. The builder requests them at `oidc_request_url`."""

    tenant_id: str
    oidc_request_url: str
    oidc_request_token: str = field(repr=False)


Credential = ManagedIdentity | WorkloadIdentity


class TokenEnded(PermanentError):
    """The token for the attempt's blobs has ended, or ends before the attempt can. Nothing renews it: a new one can."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.TOKEN, message, owner=Owner.PLATFORM)


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the container's environment that must not appear in a log or a report."""
    values = [environ[name] for name in _SECRETS if environ.get(name)]
    try:
        signatures = blob_token.secrets_in(blob_token.from_wire(environ.get(blob_token.VARIABLE, "")))
    except MalformedMessage:  # there is none, or the settings refuse it
        signatures = ()
    return tuple(dict.fromkeys([*values, *signatures, *map(unquote, signatures)]))
