"""Managed identities: the token endpoints that a container or an App Service finds in its environment.

A caller that shows an identity secret gets tokens of the identities attached to it, and of no other identity.
"""

import time
from collections.abc import Mapping
from typing import Final

from local.arm.identity.tokens import LIFE_SECONDS, TokenIssuer
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

WORKLOAD_PATH: Final = "/workload/token"


class Identities:
    """Identity secrets and their identities.

    `known` maps resource ids of user-assigned identities to client ids. Where it is empty, every identity is the
    builder's, if one is given: a container of the factory can have no other identity.
    """

    def __init__(
        self, tokens: TokenIssuer, *, host_header: str, builder_client_id: str, known: Mapping[str, str]
    ) -> None:
        self._tokens = tokens
        self._builder = builder_client_id
        self._known = {key.lower(): client for key, client in known.items()}
        self._attached: dict[str, frozenset[str] | None] = {host_header: None}  # None: every identity

    def attach(self, header: str, identities: tuple[str, ...]) -> None:
        """From now on a caller with `header` gets tokens of these identities (resource ids).

        Raises FailedIdentityOperation where the identities are known and this one is not among them. The code is that
        of virtual machines and of other services; no page names it for container groups.
        """
        unknown = [each for each in identities if self._known and each.lower() not in self._known]
        if unknown:
            raise ArmError(
                400,
                "FailedIdentityOperation",
                "Identity operation failed with error 'Failed to perform resource identity operation. Status: "
                f"'BadRequest'. Response: Resource '{unknown[0]}' was not found.'.",
            )
        if identities and not self._builder and not self._known:
            self._attached[header] = None
            return
        clients = {self._known.get(each.lower(), self._builder) for each in identities}
        self._attached[header] = frozenset(clients - {""})

    def routes(self) -> list[ArmRoute]:
        """The three endpoints: App Service's, the metadata service's, and a workload identity's issuer."""
        return [
            ArmRoute("GET", "/msi/token", self._app_service, api_version=False),
            ArmRoute("GET", "/metadata/identity/oauth2/token", self._metadata, api_version=False),
            ArmRoute("GET", WORKLOAD_PATH, self._workload, api_version=False),
        ]

    def _app_service(self, call: Call) -> ArmAnswer:
        header = call.headers.get("x-identity-header", "")
        if header not in self._attached:
            return _refusal(
                401, "unauthorized_client", "X-IDENTITY-HEADER is missing or not the one of this host."
            )
        if call.api_version != "2019-08-01":
            return _refusal(400, "invalid_request", "api-version 2019-08-01 is the one that is served.")
        return self._mint(call, self._attached[header])

    def _metadata(self, call: Call) -> ArmAnswer:
        if call.headers.get("metadata", "").lower() != "true":
            return _refusal(400, "bad_request_102", "Required metadata header not specified")
        # This request holds no secret, so it gets tokens of the builder only.
        return self._mint(call, frozenset({self._builder}) if self._builder else None)

    def _workload(self, call: Call) -> ArmAnswer:
        """The answer of a build service's issuer. The bearer is the container's secret, the value is a JWT."""
        scheme, _, secret = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or secret not in self._attached:
            return _refusal(401, "unauthorized", "the bearer is not a container's secret")
        allowed = self._attached[secret]
        client = self._builder if allowed is None else min(allowed, default="")
        if not client or not call.query.get("audience"):
            return _refusal(400, "invalid_request", "an identity and the parameter 'audience' are needed")
        return ArmAnswer(body={"value": self._tokens.mint_workload(client, call.query["audience"])})

    def _mint(self, call: Call, allowed: frozenset[str] | None) -> ArmAnswer:
        resource = call.query.get("resource", "")
        if not resource:
            return _refusal(400, "invalid_request", "The parameter 'resource' is required.")
        client = call.query.get("client_id") or call.query.get("clientid") or ""
        if not client and allowed is not None and len(allowed) == 1:
            client = next(iter(allowed))
        fits = bool(client) if allowed is None else client.lower() in {each.lower() for each in allowed}
        if not fits:
            return _refusal(400, "invalid_request", "Identity not found")
        token = self._tokens.mint_resource(client, resource.removesuffix("/.default").rstrip("/"))
        body: Json = {
            "access_token": token,
            "client_id": client,
            "expires_in": str(LIFE_SECONDS),
            "expires_on": str(int(time.time()) + LIFE_SECONDS),
            "resource": resource,
            "token_type": "Bearer",
        }
        return ArmAnswer(body=body)


def _refusal(status: int, code: str, text: str) -> ArmAnswer:
    return ArmAnswer(status=status, body={"error": code, "error_description": text})
