"""The builder's own credential off Azure, against the emulated issuer and Entra."""

from pathlib import Path

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError

from builder import azure_client
from builder.credential import WorkloadIdentity
from local.arm import launch

CLIENT = "44444444-4444-4444-8444-444444444444"
STORAGE = "https://storage.azure.com"


def test_the_issuers_token_is_exchanged_for_one_of_the_builders_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with launch.start(tmp_path, builder_client_id=CLIENT, options=["--workload-identity"]) as arm:
        monkeypatch.setenv("HTTPS_PROXY", arm.proxy)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(arm.ca_file))

        def ask(token: str) -> str:
            workload = WorkloadIdentity(
                tenant_id=arm.tenant_id, oidc_request_url=arm.workload_url, oidc_request_token=token
            )
            return azure_client.credential_of(workload, CLIENT).get_token(f"{STORAGE}/.default").token

        claims = jwt.decode(ask(arm.identity_header), options={"verify_signature": False})
        assert claims["aud"].rstrip("/") == STORAGE
        assert CLIENT in (claims.get("appid"), claims.get("azp"))
        with pytest.raises(ClientAuthenticationError):
            ask("of somebody else")
