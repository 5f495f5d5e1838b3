"""The identity with which the builder and its Packer call Azure: a setting of the container, never part of a job.

It is a managed identity on Container Instances, and a workload identity elsewhere. This module gets no token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

TOKEN_VARIABLE: Final = "IF_OIDC_REQUEST_TOKEN"  # noqa: S105  # a name
# The plugin reads the token only from the template. The template reads it from Packer's variable of this name.
PACKER_VARIABLE: Final = "oidc_request_token"
_SECRETS: Final = ("IDENTITY_HEADER", TOKEN_VARIABLE)


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


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the container's environment that must not appear in a log or a report."""
    return tuple(environ[name] for name in _SECRETS if environ.get(name))
