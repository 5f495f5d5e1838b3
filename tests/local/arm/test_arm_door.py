"""The emulator's door: tokens, identities, faults, counts, the loud refusal; Marketplace, groups, vault, events."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from local.arm import http, launch
from tests.local.arm.conftest import BUILDER, FACTORY, Azure, Body

ARM_SCOPE = "https://management.azure.com/.default"


def get(arm: launch.RunningArm, path: str, **options: Any) -> requests.Response:
    return requests.get(arm.arm + path, verify=str(arm.ca_file), timeout=10, **options)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(autouse=True)
def _no_faults(arm: launch.RunningArm) -> Iterator[None]:
    yield
    arm.ask("DELETE", "faults")


@pytest.fixture
def credential(identity: None) -> Iterator[ManagedIdentityCredential]:
    """The factory's credential."""
    with ManagedIdentityCredential(client_id=FACTORY) as made:
        yield made


def test_without_a_token_the_challenge_names_the_tenant(arm: launch.RunningArm) -> None:
    answer = get(arm, f"/subscriptions/{arm.subscription_id}?api-version=2022-12-01")
    assert answer.status_code == 401
    assert f'authorization_uri="{arm.arm}/{arm.tenant_id}"' in answer.headers["WWW-Authenticate"]
    assert answer.json()["error"]["code"] == "AuthenticationFailed"


def test_a_token_of_another_audience_is_refused(
    arm: launch.RunningArm, credential: ManagedIdentityCredential
) -> None:
    token = credential.get_token("https://storage.azure.com/.default").token
    answer = get(arm, f"/subscriptions/{arm.subscription_id}?api-version=2022-12-01", headers=bearer(token))
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


@pytest.mark.parametrize("wrong", ["signature", "algorithm", "expiry"])
def test_a_forged_or_old_token_is_refused(
    arm: launch.RunningArm, credential: ManagedIdentityCredential, wrong: str
) -> None:
    token = credential.get_token(ARM_SCOPE).token
    path = f"/subscriptions/{arm.subscription_id}?api-version=2022-12-01"
    assert get(arm, path, headers=bearer(token)).status_code == 200
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    bad = {
        "signature": f"{head}.{body}.{signature[::-1]}",
        "algorithm": jwt.encode(claims, "a secret of one's own, long enough for HS256", algorithm="HS256"),
        "expiry": arm.token("ada", "https://management.azure.com", seconds=-60),
    }
    assert get(arm, path, headers=bearer(bad[wrong])).status_code == 401


def test_a_storage_token_is_what_azurite_wants(credential: ManagedIdentityCredential) -> None:
    claims = jwt.decode(
        credential.get_token("https://storage.azure.com/.default").token, options={"verify_signature": False}
    )
    assert claims["aud"] == "https://storage.azure.com"
    assert claims["iss"].startswith("https://sts.windows.net/")
    assert claims["exp"] > time.time()
    assert claims["appid"] == FACTORY
    assert {"nbf", "iat", "oid", "sub", "tid", "ver"} <= set(claims)


def test_a_persons_token_verifies_by_discovery(arm: launch.RunningArm) -> None:
    token = arm.token("ada", "api://factory", roles=["Factory.Admin"], groups=["payments"])
    home = f"/{arm.tenant_id}/v2.0"
    discovered = get(arm, f"{home}/.well-known/openid-configuration").json()
    assert discovered["issuer"] == arm.authority + home
    keys = requests.get(discovered["jwks_uri"], verify=str(arm.ca_file), timeout=10).json()["keys"]
    key = next(each for each in keys if each["kid"] == jwt.get_unverified_header(token)["kid"])
    public = jwt.PyJWK(key).key
    claims = jwt.decode(
        token, public, algorithms=["RS256"], audience="api://factory", issuer=discovered["issuer"]
    )
    assert (claims["sub"], claims["roles"], claims["groups"]) == ("ada", ["Factory.Admin"], ["payments"])
    assert (claims["scp"], bool(claims["azp"]), "nonce" in claims) == ("access", True, False)


def test_a_client_secret_gets_a_token(arm: launch.RunningArm) -> None:
    with ClientSecretCredential(
        arm.tenant_id,
        FACTORY,
        "any",
        authority=arm.authority,
        disable_instance_discovery=True,
        connection_verify=str(arm.ca_file),
    ) as made:
        token = made.get_token(ARM_SCOPE).token
    path = f"/subscriptions/{arm.subscription_id}?api-version=2022-12-01"
    assert get(arm, path, headers=bearer(token)).json()["tenantId"] == arm.tenant_id


def test_the_identity_endpoint_wants_its_header(arm: launch.RunningArm) -> None:
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com/", "client_id": FACTORY}
    assert requests.get(arm.identity_endpoint, params=query, timeout=5).status_code == 401
    wrong = {"X-IDENTITY-HEADER": "guess"}
    assert requests.get(arm.identity_endpoint, params=query, headers=wrong, timeout=5).status_code == 401


def test_an_answer_does_not_wait_for_the_next_packet() -> None:
    """asyncio switches Nagle's delay off for a socket that names its protocol, and for no other."""
    with http.bind(0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_an_unknown_call_is_a_loud_501(arm: launch.RunningArm, credential: ManagedIdentityCredential) -> None:
    path = f"/subscriptions/{arm.subscription_id}/providers/Microsoft.Sql/servers?api-version=2021-11-01"
    answer = get(arm, path, headers=bearer(credential.get_token(ARM_SCOPE).token))
    assert answer.status_code == 501
    assert answer.json()["error"]["code"] == "NotEmulated"
    assert "Microsoft.Sql/servers" in answer.json()["error"]["message"]
    assert "Microsoft.Sql/servers" in arm.log.read_text()


def test_an_api_version_and_a_known_subscription_are_needed(
    arm: launch.RunningArm, credential: ManagedIdentityCredential
) -> None:
    headers = bearer(credential.get_token(ARM_SCOPE).token)
    missing = get(arm, f"/subscriptions/{arm.subscription_id}/resources", headers=headers)
    assert missing.json()["error"]["code"] == "MissingApiVersionParameter"
    unknown = get(arm, "/subscriptions/nobody/resources?api-version=2022-09-01", headers=headers)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "SubscriptionNotFound")


def test_poll_counts_one_call_for_each_list(azure: Azure) -> None:
    azure.arm.ask("POST", "reset-counts")
    versions = azure.compute.virtual_machine_images.list("westeurope", "RedHat", "RHEL", "9-lvm-gen2")
    assert "9.6.2025112113" in {each.name for each in versions}
    counts = azure.arm.ask("GET", "requests")
    assert counts["total"] == 1
    assert [route for route in counts["routes"] if route.endswith("/versions")] == list(counts["routes"])


def test_a_published_version_is_listed_until_it_is_withdrawn(azure: Azure) -> None:
    entry = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.10.2026112101"}
    images = azure.compute.virtual_machine_images

    def listed() -> set[str]:
        return {each.name for each in images.list("westeurope", "redhat", "rhel", "9-LVM-gen2")}

    azure.arm.ask("POST", "marketplace", entry)
    assert "9.10.2026112101" in listed()
    found = images.get("westeurope", "RedHat", "RHEL", "9-lvm-gen2", "9.10.2026112101")
    assert (found.hyper_v_generation, found.plan) == ("V2", None)
    azure.arm.ask("DELETE", "marketplace", entry)
    assert "9.10.2026112101" not in listed()
    with pytest.raises(ResourceNotFoundError, match=r"VMImage was not found"):
        images.get("westeurope", "RedHat", "RHEL", "9-lvm-gen2", "9.10.2026112101")


def test_an_unknown_sku_is_not_found(azure: Azure) -> None:
    with pytest.raises(ResourceNotFoundError):
        azure.compute.virtual_machine_images.list("westeurope", "RedHat", "RHEL", "99-lvm")
    names = {
        each.name for each in azure.compute.virtual_machine_images.list_skus("westeurope", "RedHat", "RHEL")
    }
    assert {"9-lvm-gen2", "9-lvm"} <= names


def test_a_fault_comes_as_often_as_it_was_ordered(azure: Azure) -> None:
    fault = {
        "method": "GET",
        "path_regex": "/skus/9-lvm/versions$",
        "status": 429,
        "code": "TooManyRequests",
        "retry_after": 7,
        "times": 2,
    }
    azure.arm.ask("POST", "faults", [fault])
    for _ in range(2):
        with pytest.raises(HttpResponseError) as refused:
            azure.compute.virtual_machine_images.list("westeurope", "RedHat", "RHEL", "9-lvm")
        assert refused.value.status_code == 429
        response: Any = refused.value.response
        assert response.headers["Retry-After"] == "7"
    assert azure.compute.virtual_machine_images.list("westeurope", "RedHat", "RHEL", "9-lvm")


def test_a_fault_after_the_effect_loses_only_the_answer(azure: Azure) -> None:
    fault = {"method": "PUT", "path_regex": "/resourceGroups/lost$", "status": 503, "after_effect": True}
    azure.arm.ask("POST", "faults", fault)
    with pytest.raises(HttpResponseError):
        azure.resources.resource_groups.create_or_update("lost", {"location": "westeurope"})
    assert azure.resources.resource_groups.get("lost").location == "westeurope"
    azure.resources.resource_groups.begin_delete("lost").result()
    assert azure.resources.resource_groups.check_existence("lost") is False


def test_a_delay_alone_leaves_the_answer_as_it_is(azure: Azure) -> None:
    azure.arm.ask("POST", "faults", {"path_regex": "/resourceGroups/rg-build$", "delay": 0.3})
    began = time.monotonic()
    assert azure.resources.resource_groups.get("rg-build").name == "rg-build"
    assert time.monotonic() - began >= 0.3


def test_resources_are_found_by_tag_and_deleted_by_id(azure: Azure) -> None:
    lease = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for name, build in (("nic-a", "a.1"), ("nic-b", "o'b.1")):
        body = {
            "location": "westeurope",
            "tags": {"imagefactory-build": build, "imagefactory-lease": lease},
            "properties": {"ipConfigurations": []},
        }
        path = f"/subscriptions/{azure.arm.subscription_id}/resourceGroups/rg-build/providers"
        resource = f"{path}/Microsoft.Network/networkInterfaces/{name}"
        azure.resources.resources.begin_create_or_update_by_id(
            resource, body, api_version="2023-09-01"
        ).result()
    by_name = "tagName eq 'imagefactory-build'"
    found = {each.name: each for each in azure.resources.resources.list(filter=by_name)}
    assert set(found) >= {"nic-a", "nic-b"}
    assert {name: each.tags for name, each in found.items()} == dict.fromkeys(found), "Azure leaves them out"
    everything = {each.name: each.tags for each in azure.resources.resources.list()}
    assert everything["nic-a"] == {"imagefactory-build": "a.1", "imagefactory-lease": lease}
    one = list(
        azure.resources.resources.list_by_resource_group(
            "rg-build", filter=f"{by_name} and tagValue eq 'o''b.1'"
        )
    )
    assert [each.name for each in one] == ["nic-b"]
    for each in found.values():
        azure.resources.resources.begin_delete_by_id(str(each.id), api_version="2023-09-01").result()
    assert list(azure.resources.resources.list(filter=by_name)) == []


def test_a_vault_gives_its_secrets_only_for_its_own_audience(
    arm: launch.RunningArm, credential: ManagedIdentityCredential
) -> None:
    arm.ask("POST", "secrets", {"name": "webhook", "value": "first"})
    arm.ask("POST", "secrets", {"name": "webhook", "value": "second"})
    with SecretClient(
        arm.vault, credential, verify_challenge_resource=False, connection_verify=str(arm.ca_file)
    ) as client:
        assert client.get_secret("webhook").value == "second"
        with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
            client.get_secret("nothing")
    headers = bearer(credential.get_token(ARM_SCOPE).token)
    assert get(arm, "/secrets/webhook?api-version=7.5", headers=headers).status_code == 401


def test_a_right_can_be_taken_by_control(azure: Azure, as_builder: Azure) -> None:
    grant = {"client_id": BUILDER, "actions": ["Microsoft.Resources/subscriptions/resources/*"]}
    azure.arm.ask("POST", "rights", grant)
    assert as_builder.resources.resource_groups.get("rg-build").name == "rg-build"
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        as_builder.resources.resource_groups.create_or_update("mine", {"location": "westeurope"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("a_b", "x"), ("a" * 128, "x"), ("large", "x" * 25_001)],
    ids=["mark", "long", "large"],
)
def test_a_secret_that_key_vault_would_refuse_is_refused(
    arm: launch.RunningArm, credential: ManagedIdentityCredential, name: str, value: str
) -> None:
    with (
        SecretClient(
            arm.vault, credential, verify_challenge_resource=False, connection_verify=str(arm.ca_file)
        ) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.set_secret(name, value)
    assert refused.value.status_code == 400


class _Webhook(BaseHTTPRequestHandler):
    """Echoes the validation code, fails the first notification, and keeps each event."""

    failures = 1
    events: list[dict[str, Any]] = []  # noqa: RUF012 - one server, one test

    def do_POST(self) -> None:
        (event,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: dict[str, Any] = {}
        status = 200
        if self.headers["aeg-event-type"] == "SubscriptionValidation":
            answer = {"validationResponse": event["data"]["validationCode"]}
        elif _Webhook.failures:
            _Webhook.failures, status = _Webhook.failures - 1, 500
        else:
            _Webhook.events.append(event)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def test_a_gallery_write_is_announced_to_a_webhook_that_validated(azure: Azure) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Webhook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        azure.arm.ask("POST", "event-grid", {"endpoint": f"http://127.0.0.1:{server.server_port}/hook"})
        version = _publish(azure)
        azure.compute.gallery_image_versions.begin_delete("rg-gallery", "live", "announced", "1.0.0").result()
        end = time.monotonic() + 5
        while len(_Webhook.events) < 2 and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        azure.arm.ask("DELETE", "event-grid")
        server.shutdown()
        thread.join()
        server.server_close()
    kinds = {
        event["eventType"]: event for event in _Webhook.events if event["subject"].lower() == version.lower()
    }
    write = kinds["Microsoft.Resources.ResourceWriteSuccess"]
    assert write["data"]["operationName"] == "Microsoft.Compute/galleries/images/versions/write"
    assert write["topic"] == f"/subscriptions/{azure.arm.subscription_id}"
    assert "Microsoft.Resources.ResourceDeleteSuccess" in kinds


def test_a_webhook_that_does_not_validate_gets_nothing(arm: launch.RunningArm) -> None:
    with pytest.raises(ValueError, match="Url validation"):
        arm.ask("POST", "event-grid", {"endpoint": "http://127.0.0.1:9/none"})


def _publish(azure: Azure) -> str:
    definition: Body = {
        "location": "westeurope",
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "features": [{"name": "SecurityType", "value": "Standard"}],
            "identifier": {"publisher": "factory", "offer": "rhel", "sku": "announced"},
        },
    }
    images = azure.compute.gallery_images
    images.begin_create_or_update("rg-gallery", "live", "announced", definition).result()
    folder = f"/subscriptions/{azure.arm.subscription_id}/resourceGroups/rg-build/providers/Microsoft.Compute"
    reference = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.6.2025112113"}
    machine: Body = {
        "location": "westeurope",
        "properties": {"storageProfile": {"imageReference": reference}},
    }
    machines = azure.compute.virtual_machines
    machines.begin_create_or_update("rg-build", "source", machine).result()
    machines.begin_deallocate("rg-build", "source").result()
    machines.generalize("rg-build", "source")
    source = {"virtualMachineId": f"{folder}/virtualMachines/source"}
    body: Body = {"location": "westeurope", "properties": {"storageProfile": {"source": source}}}
    versions = azure.compute.gallery_image_versions
    made = versions.begin_create_or_update("rg-gallery", "live", "announced", "1.0.0", body).result()
    return str(made.id)
