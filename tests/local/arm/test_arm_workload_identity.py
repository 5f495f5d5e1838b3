"""A workload identity: the issuer's token, exchanged for one of Azure's, as plugin 2.x and the SDK do it."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import jwt
import pytest

from local.arm import launch
from local.arm.identity.tokens import EXCHANGE_AUDIENCE, TokenIssuer, object_id
from tests.local.arm.conftest import BUILDER

_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def ask(
    arm: launch.RunningArm, address: str, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, Any]:
    ways = urllib.request.ProxyHandler({"https": arm.proxy} if form else {})
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(arm.ca_file)))
    body = urllib.parse.urlencode(form).encode() if form else None
    try:
        request = urllib.request.Request(address, data=body, headers=headers)
        with urllib.request.build_opener(ways, tls).open(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def assertion(arm: launch.RunningArm, audience: str = EXCHANGE_AUDIENCE) -> str:
    query = urllib.parse.urlencode({"audience": audience})
    status, found = ask(arm, f"{arm.workload_url}&{query}", Authorization=f"Bearer {arm.identity_header}")
    assert status == 200
    return str(found["value"])


def exchange(arm: launch.RunningArm, **changes: str) -> tuple[int, Any]:
    form = {
        "grant_type": "client_credentials",
        "client_id": BUILDER,
        "client_assertion_type": _BEARER,
        "client_assertion": assertion(arm),
        "scope": "https://management.azure.com/.default",
        **changes,
    }
    return ask(arm, f"https://login.microsoftonline.com/{arm.tenant_id}/oauth2/v2.0/token", form)


def test_the_issuers_token_becomes_one_of_the_builder(arm: launch.RunningArm) -> None:
    status, found = exchange(arm)
    assert status == 200
    claims = jwt.decode(found["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["appid"], claims["oid"]) == (
        "https://management.azure.com",
        BUILDER,
        object_id(BUILDER),
    )


@pytest.mark.parametrize("wrong", ["signature", "issuer", "audience", "subject", "type", "form"])
def test_an_assertion_that_is_wrong_in_any_way_is_refused(arm: launch.RunningArm, wrong: str) -> None:
    stranger = TokenIssuer(tenant=arm.tenant_id, authority=arm.authority)
    changes = {
        "signature": {"client_assertion": stranger.mint_workload(BUILDER, EXCHANGE_AUDIENCE)},
        "issuer": {"client_assertion": arm.token("somebody", EXCHANGE_AUDIENCE)},
        "audience": {"client_assertion": assertion(arm, "api://another")},
        "subject": {"client_id": "f0f0f0f0-0000-4000-8000-00000000000f"},
        "type": {"client_assertion_type": "saml"},
        "form": {"client_assertion": "x.y.z"},
    }[wrong]
    status, refused = exchange(arm, **changes)
    assert (status, refused["error"]) == (401, "invalid_client")
    assert "AADSTS700213" in refused["error_description"]


@pytest.mark.parametrize("bearer", ["", "Bearer ", "Bearer nobody"])
def test_the_issuer_knows_its_containers_by_their_secret(arm: launch.RunningArm, bearer: str) -> None:
    status, _ = ask(arm, f"{arm.workload_url}&audience=a", Authorization=bearer)
    assert status == 401
    status, _ = ask(arm, arm.workload_url, Authorization=f"Bearer {arm.identity_header}")
    assert status == 400
