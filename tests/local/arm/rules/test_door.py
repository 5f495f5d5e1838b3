"""Resource Manager's own rules, over HTTP: api-versions, resource groups, locations, tags, and the door of control."""

import json
from collections.abc import Iterator

import pytest
import requests

from local.arm import launch
from tests.local.arm.rules.conftest import Ask

GALLERY = "rg-gallery/providers/Microsoft.Compute/galleries/live"
NIC = "rg-build/providers/Microsoft.Network/networkInterfaces/nic"
HERE = {"location": "westeurope"}
INTERFACE = {**HERE, "properties": {"ipConfigurations": []}}


@pytest.fixture
def nic(ask: Ask) -> Iterator[str]:
    """A resource that is there during the test."""
    assert ask("PUT", NIC, INTERFACE).status in (200, 201)
    yield NIC
    ask("DELETE", NIC)


@pytest.mark.parametrize("path", [GALLERY, "/subscriptions", "rg-build"])
def test_an_api_version_is_required(ask: Ask, path: str) -> None:
    seen = ask("GET", path, version="")
    assert (seen.status, seen.code) == (400, "MissingApiVersionParameter")


@pytest.mark.parametrize(
    ("path", "version", "kind"),
    [
        (GALLERY, "1999-01-01", "galleries"),
        (GALLERY, "2022-08-01", "galleries"),  # a version of virtual machines, flatcar/mantle#520
        (f"{GALLERY}/images/i/versions/1.0.0", "2017-10-15-preview", "galleries/images/versions"),
        (NIC, "2023-11-01-preview", "networkInterfaces"),
        ("rg-build/providers/Microsoft.ContainerInstance/containerGroups", "2022-01-01", "containerGroups"),
    ],
)
def test_a_service_knows_only_published_versions(ask: Ask, path: str, version: str, kind: str) -> None:
    seen = ask("GET", path, version=version)
    assert (seen.status, seen.code) == (400, "NoRegisteredProviderFound")
    assert f"API version '{version}' for type '{kind}'" in seen.message
    assert "The supported api-versions are '20" in seen.message


def test_the_refusal_of_a_version_names_the_location_of_what_is_there(ask: Ask, nic: str) -> None:
    assert "for location 'westeurope'" in ask("GET", nic, version="1999-01-01").message


@pytest.mark.parametrize(
    "path",
    [
        "/subscriptions",
        "rg-build",
        "rg-build/resources",
        "rg-build/providers/Microsoft.Resources/deployments/d",
    ],
)
def test_resource_manager_itself_refuses_a_version_by_another_code(ask: Ask, path: str) -> None:
    seen = ask("GET", path, version="1999-01-01")
    assert (seen.status, seen.code) == (400, "InvalidApiVersionParameter")
    assert "The supported versions are '20" in seen.message


def test_a_group_that_is_not_there_answers_for_everything_below_it(ask: Ask) -> None:
    gallery = "rg-none/providers/Microsoft.Compute/galleries/live"
    for method, path, body in (
        ("GET", gallery, None),
        ("GET", f"{gallery}/images/i/versions", None),
        ("PUT", gallery, HERE),
        ("DELETE", gallery, None),
        ("GET", "rg-none/providers/Microsoft.ContainerInstance/containerGroups/one", None),
        ("GET", "rg-none/resources", None),
        ("POST", "rg-none/providers/Microsoft.Compute/virtualMachines/vm/deallocate", None),
    ):
        seen = ask(method, path, body)
        assert (seen.status, seen.code) == (404, "ResourceGroupNotFound"), (method, path)
        assert seen.message == "Resource group 'rg-none' could not be found."


def test_a_subscription_that_is_not_there_is_not_found(ask: Ask) -> None:
    seen = ask("GET", "/subscriptions/nobody/resourceGroups/rg-build")
    assert (seen.status, seen.code) == (404, "SubscriptionNotFound")


def test_a_resource_that_is_not_there_is_named_and_its_deletion_is_done(ask: Ask) -> None:
    path = "rg-gallery/providers/Microsoft.Compute/galleries/nowhere"
    seen = ask("GET", path)
    assert (seen.status, seen.code) == (404, "ResourceNotFound")
    assert "'Microsoft.Compute/galleries/nowhere' under resource group 'rg-gallery'" in seen.message
    assert ask("DELETE", path).status == 204


@pytest.mark.parametrize("name", ["bad name", "a,b", "what!"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_group_has_a_proper_name_even_to_be_asked_for(ask: Ask, method: str, name: str) -> None:
    seen = ask(method, name, HERE if method == "PUT" else None)
    assert (seen.status, seen.code) == (400, "InvalidResourceGroup")


@pytest.mark.parametrize("name", ["ends.", "x" * 91])
def test_a_group_has_at_most_ninety_characters_and_no_last_period(ask: Ask, name: str) -> None:
    seen = ask("PUT", name, HERE)
    assert (seen.status, seen.code) == (400, "InvalidResourceGroup")


def test_a_group_cannot_move_and_needs_a_location(ask: Ask) -> None:
    moved = ask("PUT", "rg-build", {"location": "northeurope"})
    assert (moved.status, moved.code) == (409, "InvalidResourceGroupLocation")
    assert ask("PUT", "rg-else", {}).code == "LocationRequired"


def test_a_resource_cannot_move(ask: Ask, nic: str) -> None:
    seen = ask("PUT", nic, {**INTERFACE, "location": "northeurope"})
    assert (seen.status, seen.code) == (409, "InvalidResourceLocation")
    assert "already exists in location 'westeurope' in resource group 'rg-build'" in seen.message
    assert ask("PUT", nic, {**INTERFACE, "location": "West Europe"}).status == 200, "the same place"


@pytest.mark.parametrize(
    "tags",
    [
        {f"t{number}": "" for number in range(51)},
        {"a/b": "x"},
        {"a<": "x"},
        {"x" * 513: ""},
        {"long": "v" * 257},
        {"": "x"},
    ],
    ids=["51 tags", "a slash", "an angle", "a long name", "a long value", "no name"],
)
def test_tags_that_azure_refuses(ask: Ask, tags: dict[str, str]) -> None:
    assert ask("PUT", NIC, {**INTERFACE, "tags": tags}).status == 400
    assert ask("PATCH", "rg-build", {"tags": tags}).status == 400
    assert ask("GET", NIC).code == "ResourceNotFound"


def test_fifty_tags_are_accepted(ask: Ask) -> None:
    tags = {f"t{number}": "v" * 256 for number in range(50)}
    assert ask("PUT", NIC, {**INTERFACE, "tags": tags}).status == 201
    assert ask("GET", NIC).body["tags"] == tags
    ask("DELETE", NIC)


def test_paths_have_no_case_and_ids_have_azures_spelling(ask: Ask, arm: launch.RunningArm) -> None:
    home = f"/subscriptions/{arm.subscription_id}"
    made = ask("PUT", f"{home}/resourcegroups/Rg-Case", HERE)
    assert made.body["id"] == f"{home}/resourceGroups/Rg-Case"
    assert ask("GET", f"{home}/RESOURCEGROUPS/rg-case").body["id"] == made.body["id"]
    ask("DELETE", "rg-case")


def test_a_body_above_four_mebibytes_is_refused(ask: Ask) -> None:
    seen = ask("PUT", NIC, {**INTERFACE, "filler": "x" * (4 * 1024 * 1024)})
    assert (seen.status, seen.code) == (413, "RequestContentTooLarge")


def test_what_is_emulated_is_registered_and_what_is_not_is_a_501(ask: Ask, arm: launch.RunningArm) -> None:
    home = f"/subscriptions/{arm.subscription_id}/providers"
    shown = ask("GET", f"{home}/Microsoft.Compute").body
    assert shown["registrationState"] == "Registered"
    versions = {each["resourceType"]: each["apiVersions"] for each in shown["resourceTypes"]}
    assert "2024-03-03" in versions["galleries"]
    assert ask("POST", f"{home}/Microsoft.Compute/register").status == 200
    assert ask("GET", f"{home}/Microsoft.Sql").status == 501


def test_sign_in_finds_the_subscriptions_and_tenants(ask: Ask, arm: launch.RunningArm) -> None:
    (shown,) = ask("GET", "/subscriptions").body["value"]
    assert (shown["subscriptionId"], shown["state"], shown["tenantId"]) == (
        arm.subscription_id,
        "Enabled",
        arm.tenant_id,
    )
    assert [each["tenantId"] for each in ask("GET", "/tenants").body["value"]] == [arm.tenant_id]
    regions = ask("GET", f"/subscriptions/{arm.subscription_id}/locations").body["value"]
    assert "westeurope" in {each["name"] for each in regions}


def test_who_asks_discovery_by_azures_name_finds_azures_names(arm: launch.RunningArm) -> None:
    """The proxy lets nobody out to a loopback address, so MSAL must never be sent there."""
    ways = {"https": arm.proxy}
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(arm.ca_file)
        login = "https://login.microsoftonline.com"
        for path in (
            f"{login}/{arm.tenant_id}/v2.0/.well-known/openid-configuration",
            f"{login}/common/discovery/instance?api-version=1.1&authorization_endpoint={login}/common/oauth2",
            "https://management.azure.com/metadata/endpoints?api-version=2022-09-01",
        ):
            found = session.get(path, proxies=ways, timeout=5)
            assert found.status_code == 200
            assert "127.0.0.1" not in found.text
        found = session.get(
            f"{login}/{arm.tenant_id}/v2.0/.well-known/openid-configuration", proxies=ways, timeout=5
        )
        assert found.json()["token_endpoint"].startswith(f"{login}/{arm.tenant_id}/")
        there = session.get(
            f"{arm.arm}/{arm.tenant_id}/v2.0/.well-known/openid-configuration", timeout=5
        ).json()
        assert there["token_endpoint"].startswith(arm.arm), "who asks our port has no proxy"


@pytest.mark.parametrize("headers", [{}, {"X-Control-Secret": "guess"}, {"X-Control-Secret": ""}])
@pytest.mark.parametrize(("method", "path"), [("POST", "tokens"), ("GET", "state"), ("DELETE", "faults")])
def test_control_wants_the_secret_of_the_run(
    arm: launch.RunningArm, method: str, path: str, headers: dict[str, str]
) -> None:
    body = {"subject": "ada", "audience": "https://management.azure.com"}
    refused = requests.request(method, f"{arm.control}/{path}", json=body, headers=headers, timeout=5)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ControlForbidden")
    announced = arm.log.with_name("arm.json")
    assert announced.stat().st_mode & 0o077 == 0
    assert json.loads(announced.read_text())["control_secret"] == arm.control_secret
    assert arm.control_secret not in repr(arm)
