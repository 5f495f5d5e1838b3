"""Entra ID: discovery documents, signing keys, and tokens for applications.

An assertion of a workload identity is verified: signature, issuer, audience and subject. Client secrets are not
verified, because this tenant has no application that can be attacked. A test that needs a refusal asks for a fault.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from local.arm.identity.tokens import LOGIN, InvalidToken, TokenIssuer
from local.arm.wire import ArmAnswer, ArmRoute, Call, Json

_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Entra:
    """One tenant's endpoints. A caller that asks by Azure's own names finds only these names in the answers, because
    the proxy is its only way. A caller of our port finds `arm`."""

    def __init__(self, tokens: TokenIssuer, *, arm: str) -> None:
        self._tokens = tokens
        self._arm = arm

    def routes(self) -> list[ArmRoute]:
        """The endpoints. None of them demands an api-version."""
        tenant = "/{tenant}"
        return [
            ArmRoute("GET", "/metadata/endpoints", self._endpoints, api_version=False),
            ArmRoute(
                "GET", f"{tenant}/v2.0/.well-known/openid-configuration", self._discovery, api_version=False
            ),
            ArmRoute("GET", f"{tenant}/.well-known/openid-configuration", self._discovery, api_version=False),
            ArmRoute("GET", f"{tenant}/discovery/instance", self._instance, api_version=False),
            ArmRoute("GET", f"{tenant}/discovery/v2.0/keys", self._keys, api_version=False),
            ArmRoute("GET", f"{tenant}/discovery/keys", self._keys, api_version=False),
            ArmRoute("POST", f"{tenant}/oauth2/v2.0/token", self._token, api_version=False),
            ArmRoute("POST", f"{tenant}/oauth2/token", self._token, api_version=False),
        ]

    def _endpoints(self, call: Call) -> ArmAnswer:
        body: Json = {
            "name": "AzureCloud",
            "portal": "https://portal.azure.com",
            "authentication": {
                "loginEndpoint": self._authority(call),
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "resourceManager": "https://management.azure.com/" if call.is_named else self._arm,
            "suffixes": {"keyVaultDns": "vault.azure.net", "storage": "core.windows.net"},
        }
        is_list = call.api_version and call.api_version < "2022-09-01"
        return ArmAnswer(body=[body] if is_list else body)

    def _discovery(self, call: Call) -> ArmAnswer:
        home = f"{self._authority(call)}/{self._tokens.tenant}"
        body: Json = {
            "issuer": f"{home}/v2.0",
            "authorization_endpoint": f"{home}/oauth2/v2.0/authorize",
            "token_endpoint": f"{home}/oauth2/v2.0/token",
            "jwks_uri": f"{home}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "tenant_region_scope": "EU",
        }
        return ArmAnswer(body=body)

    def _instance(self, call: Call) -> ArmAnswer:
        """What MSAL asks first of all: the aliases of its authority (msal, authority.py)."""
        home = f"{self._authority(call)}/{self._tokens.tenant}"
        body: Json = {
            "tenant_discovery_endpoint": f"{home}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [
                {
                    "preferred_network": LOGIN.removeprefix("https://"),
                    "preferred_cache": "login.windows.net",
                    "aliases": [LOGIN.removeprefix("https://"), "login.windows.net"],
                }
            ],
        }
        return ArmAnswer(body=body)

    def _authority(self, call: Call) -> str:
        return LOGIN if call.is_named else self._tokens.authority

    def _keys(self, call: Call) -> ArmAnswer:
        return ArmAnswer(body=self._tokens.keys())

    def _token(self, call: Call) -> ArmAnswer:
        form = {key: values[0] for key, values in parse_qs(call.content.decode("utf-8", "replace")).items()}
        client = form.get("client_id", "")
        assertion = form.get("client_assertion", "")
        proof = form.get("client_secret") or assertion
        if form.get("grant_type") != "client_credentials" or not client or not proof:
            text = "AADSTS900144: client_credentials with client_id and client_secret or client_assertion is needed."
            return ArmAnswer(status=400, body={"error": "invalid_request", "error_description": text})
        if assertion:
            try:
                self._demand_assertion(form)
            except InvalidToken as error:
                text = f"AADSTS700213: No matching federated identity record found for presented assertion: {error}."
                return ArmAnswer(status=401, body={"error": "invalid_client", "error_description": text})
        wanted = form.get("resource") or form.get("scope", "").split(" ")[0].removesuffix("/.default")
        token = self._tokens.mint_resource(client, wanted.rstrip("/"))
        body: Json = {
            "token_type": "Bearer",
            "expires_in": 3600,
            "ext_expires_in": 3600,
            "access_token": token,
        }
        return ArmAnswer(body=body)

    def _demand_assertion(self, form: Mapping[str, str]) -> None:
        if form.get("client_assertion_type") != _JWT_BEARER:
            raise InvalidToken("client_assertion_type is not jwt-bearer")
        self._tokens.verify_workload(form["client_assertion"], form["client_id"])
