"""Deployments, networks and the machines they make, over HTTPS as a client of ARM sees them."""

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from local.arm import launch
from tests.local.arm.conftest import BUILDER, FACTORY

NETWORK = "Microsoft.Network"
KEY = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key("openssh").decode()
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.RunningArm]:
    with launch.start(
        tmp_path_factory.mktemp("deployments"),
        resource_groups=["rg-build"],
        builder_client_id=BUILDER,
        options=["--machine-seconds=0.05", "--retry-after=0", "--subnet=rg-net/vnet/snet"],
    ) as running:
        yield running


@pytest.fixture(scope="module")
def ask(arm: launch.RunningArm) -> Ask:
    return asking(arm)


def asking(arm: launch.RunningArm) -> Ask:
    """Ask ARM as a client: status and body, also of errors."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(arm.ca_file))),
    )

    def answer(request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with opener.open(request, timeout=10) as found:
                return found.status, json.loads(found.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def token(client: str) -> str:
        query = {"api-version": "2019-08-01", "resource": "https://management.azure.com", "client_id": client}
        address = f"{arm.identity_endpoint}?{urllib.parse.urlencode(query)}"
        _, found = answer(urllib.request.Request(address, headers={"X-IDENTITY-HEADER": arm.identity_header}))
        return str(found["access_token"])

    tokens = {client: token(client) for client in (FACTORY, BUILDER)}

    def whole(method: str, path: str, body: Any = None, client: str = FACTORY) -> tuple[int, Any]:
        home = f"/subscriptions/{arm.subscription_id}/resourceGroups/"
        request = urllib.request.Request(
            f"{arm.arm}{home}{path}?api-version=2024-03-01",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {tokens[client]}", "Content-Type": "application/json"},
        )
        return answer(request)

    return whole


def deployment(
    name: str,
    *,
    size: str = "Standard_D2s_v5",
    version: str = "9.6.2025112113",
    subnet: str = "snet",
    offer: tuple[str, str] = ("RHEL", "9-lvm-gen2"),
    plan: dict[str, str] | None = None,
) -> Any:
    """A short form of azure-arm's request."""
    home = "[resourceId('rg-net', 'Microsoft.Network/virtualNetworks', 'vnet')]"
    interface = {
        "type": f"{NETWORK}/networkInterfaces",
        "name": f"{name}-ni",
        "location": "[resourceGroup().location]",
        "tags": {"imagefactory-build": name},
        "properties": {
            "ipConfigurations": [
                {
                    "name": "ipconfig",
                    "properties": {"subnet": {"id": f"[concat(variables('home'), '/subnets/{subnet}')]"}},
                }
            ]
        },
    }
    reference = {"publisher": "RedHat", "offer": offer[0], "sku": offer[1], "version": version}
    ssh = {"publicKeys": [{"path": "authorized_keys", "keyData": KEY}]}
    machine = {
        "type": "Microsoft.Compute/virtualMachines",
        "name": f"{name}-vm",
        "location": "[resourceGroup().location]",
        "tags": {"imagefactory-build": name},
        **({"plan": plan} if plan else {}),
        "properties": {
            "hardwareProfile": {"vmSize": size},
            "storageProfile": {"imageReference": reference, "osDisk": {"name": f"{name}-os"}},
            "osProfile": {
                "adminUsername": "packer",
                "adminPassword": "[parameters('password')]",
                "linuxConfiguration": {"ssh": ssh},
            },
            "networkProfile": {
                "networkInterfaces": [{"id": f"[resourceId('{NETWORK}/networkInterfaces', '{name}-ni')]"}]
            },
        },
    }
    template = {
        "parameters": {"password": {"type": "securestring"}},
        "variables": {"home": home},
        "resources": [machine, interface],  # the service must find the order
    }
    properties = {
        "mode": "Incremental",
        "template": template,
        "parameters": {"password": {"value": "p4ss-w0rd"}},
    }
    return {"properties": properties}


def path_of(name: str) -> str:
    return f"rg-build/providers/Microsoft.Resources/deployments/{name}"


def await_end(ask: Ask, name: str) -> dict[str, Any]:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        _, found = ask("GET", path_of(name))
        if found["properties"]["provisioningState"] not in ("Accepted", "Running"):
            return dict(found["properties"])
    pytest.fail("the deployment did not end")


@pytest.fixture
def name() -> str:
    return f"d{uuid.uuid4().hex[:8]}"


def test_a_deployment_makes_its_resources_and_tells_which(
    arm: launch.RunningArm, ask: Ask, name: str
) -> None:
    assert ask("POST", f"{path_of(name)}/validate", deployment(name), BUILDER)[0] == 200
    status, made = ask("PUT", path_of(name), deployment(name), BUILDER)
    assert (status, made["properties"]["provisioningState"]) == (201, "Accepted")
    assert await_end(ask, name)["provisioningState"] == "Succeeded"
    assert "p4ss" not in json.dumps(ask("GET", path_of(name))[1])
    _, listed = ask("GET", f"rg-build/deployments/{name}/operations", None, BUILDER)
    targets = [each["properties"].get("targetResource") for each in listed["value"]]
    assert [each and each["resourceName"] for each in targets] == [f"{name}-ni", f"{name}-vm", None]
    _, machine = ask("GET", f"rg-build/providers/Microsoft.Compute/virtualMachines/{name}-vm")
    assert machine["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"].endswith(
        f"/disks/{name}-os"
    )
    assert "p4ss" not in json.dumps(machine)
    _, interface = ask("GET", f"rg-build/providers/{NETWORK}/networkInterfaces/{name}-ni")
    assert interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] == "127.0.0.1"
    (guest,) = [each for each in arm.ask("GET", "guests") if each["tags"].get("imagefactory-build") == name]
    assert guest["is_up"]
    ask("DELETE", f"rg-build/providers/Microsoft.Compute/virtualMachines/{name}-vm")
    (guest,) = [each for each in arm.ask("GET", "guests") if each["tags"].get("imagefactory-build") == name]
    assert not guest["is_up"]
    assert ask("DELETE", path_of(name))[0] == 202
    end = time.monotonic() + 5
    while ask("GET", path_of(name))[0] != 404:
        assert time.monotonic() < end
    assert ask("DELETE", path_of(name))[0] == 204


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": "9.9.1"}, "PlatformImageNotFound"),
        ({"size": "Large"}, "InvalidParameter"),
        ({"subnet": "none"}, "InvalidResourceReference"),
    ],
)
@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_what_azure_refuses_is_refused_before_anything_is_made(
    ask: Ask, name: str, change: dict[str, Any], code: str, verb: str
) -> None:
    path = path_of(name) + ("/validate" if verb == "POST" else "")
    status, refused = ask(verb, path, deployment(name, **change))
    assert (status, refused["error"]["code"]) == (400, "InvalidTemplateDeployment")
    assert [each["code"] for each in refused["error"]["details"]] == [code]
    assert ask("GET", path_of(name))[0] == 404


@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_a_deprecated_version_is_refused_by_a_code_of_its_own(
    ask: Ask, arm: launch.RunningArm, name: str, verb: str
) -> None:
    old = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.3.2023110101"}
    arm.ask("POST", "marketplace", old)
    arm.ask("POST", "marketplace/deprecate", old)
    path = path_of(name) + ("/validate" if verb == "POST" else "")
    status, refused = ask(verb, path, deployment(name, version=old["version"]))
    assert (status, refused["error"]["code"]) == (400, "InvalidTemplateDeployment")
    (detail,) = refused["error"]["details"]
    assert (detail["code"], detail["target"]) == ("ImageVersionDeprecated", "imageReference")
    assert f"RedHat:RHEL:9-lvm-gen2:{old['version']}' is deprecated" in detail["message"]
    with pytest.raises(ValueError, match="404"):
        arm.ask("POST", "marketplace/deprecate", {**old, "version": "9.3.1"})


BYOS = ("rhel-byos", "rhel-lvm9-gen2")
PLAN = {"publisher": "redhat", "name": "rhel-lvm9-gen2", "product": "rhel-byos"}


def test_a_missing_plan_fails_the_machine_and_not_the_validation(ask: Ask, name: str) -> None:
    """As in Azure/azure-rest-api-specs#22133: the code is in the details of the failed deployment."""
    assert ask("POST", f"{path_of(name)}/validate", deployment(name, offer=BYOS))[0] == 200
    assert ask("PUT", path_of(name), deployment(name, offer=BYOS))[0] == 201
    ended = await_end(ask, name)
    assert ended["provisioningState"] == "Failed"
    assert [each["code"] for each in ended["error"]["details"]] == ["VMMarketplaceInvalidInput"]


def test_a_plan_that_is_named_is_bought(ask: Ask, name: str) -> None:
    ask("PUT", path_of(name), deployment(name, offer=BYOS, plan=PLAN))
    assert await_end(ask, name)["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_terms_that_nobody_has_accepted_are_the_answer_itself(
    arm: launch.RunningArm, ask: Ask, name: str, verb: str
) -> None:
    """As in hashicorp/packer#6009."""
    arm.ask("POST", "marketplace-terms", {**PLAN, "accepted": False})
    path = path_of(name) + ("/validate" if verb == "POST" else "")
    status, refused = ask(verb, path, deployment(name, offer=BYOS, plan=PLAN))
    arm.ask("POST", "marketplace-terms", {**PLAN, "accepted": True})
    assert (status, refused["error"]["code"]) == (400, "MarketplacePurchaseEligibilityFailed")
    assert "Legal terms" in refused["error"]["details"][0]["message"]


def test_a_template_that_cannot_be_read_is_refused(ask: Ask, name: str) -> None:
    unreadable: tuple[object, ...] = (
        None,
        [],
        {"resources": 3},
        {"resources": ["x"]},
        {"resources": [], "parameters": {"a": {}}},
    )
    for template in unreadable:
        status, refused = ask("PUT", path_of(name), {"properties": {"template": template}})
        assert (status, refused["error"]["code"]) == (400, "InvalidTemplate"), template
    unknown = {"resources": [{"type": "Microsoft.Sql/servers", "name": "x"}]}
    _, refused = ask("PUT", path_of(name), {"properties": {"template": unknown}})
    assert refused["error"]["details"][0]["code"] == "NotEmulated"


def test_a_deployment_may_do_no_more_than_its_caller(ask: Ask, name: str) -> None:
    body = deployment(name)
    body["properties"]["template"]["resources"].append({"type": f"{NETWORK}/publicIPAddresses", "name": "ip"})
    status, refused = ask("POST", f"{path_of(name)}/validate", body, BUILDER)
    assert status == 400
    (problem,) = refused["error"]["details"]
    assert problem["code"] == "AuthorizationFailed"
    assert "Microsoft.Network/publicIPAddresses/write" in problem["message"]
    assert ask("POST", f"{path_of(name)}/validate", body)[0] == 200


def test_a_deployment_that_ended_cannot_be_cancelled(name: str, tmp_path: Path) -> None:
    # Its machine takes longer than the test. So only the cancellation ends the deployment, on a busy computer too.
    options = ["--machine-seconds=600", "--retry-after=0", "--subnet=rg-net/vnet/snet"]
    with launch.start(tmp_path, resource_groups=["rg-build"], options=options) as slow:
        ask = asking(slow)
        ask("PUT", path_of(name), deployment(name))
        assert ask("PUT", path_of(name), deployment(name))[1]["error"]["code"] == "DeploymentActive"
        assert ask("POST", f"{path_of(name)}/cancel")[0] == 204
        assert await_end(ask, name)["provisioningState"] == "Canceled"
        assert ask("POST", f"{path_of(name)}/cancel")[0] == 409


def test_an_interface_goes_when_its_machine_does_and_not_before(ask: Ask, name: str) -> None:
    ask("PUT", path_of(name), deployment(name))
    await_end(ask, name)
    interface = f"rg-build/providers/{NETWORK}/networkInterfaces/{name}-ni"
    assert ask("DELETE", interface)[0] == 202  # it waits for a moment
    assert ask("GET", interface)[0] == 200
    ask("DELETE", f"rg-build/providers/Microsoft.Compute/virtualMachines/{name}-vm")
    end = time.monotonic() + 5
    while ask("GET", interface)[0] != 404:
        assert time.monotonic() < end


def test_a_network_of_ones_own_leads_to_the_guest_too(ask: Ask, name: str) -> None:
    home = f"rg-build/providers/{NETWORK}"
    subnets = [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}]
    assert (
        ask("PUT", f"{home}/virtualNetworks/{name}", {"location": "l", "properties": {"subnets": subnets}})[0]
        == 201
    )
    assert ask("GET", f"{home}/virtualNetworks/{name}/subnets/s")[0] == 200
    assert ask("GET", f"{home}/virtualNetworks/{name}/subnets/t")[0] == 404
    _, address = ask("PUT", f"{home}/publicIPAddresses/{name}", {"location": "l"})
    assert address["properties"]["ipAddress"] == "127.0.0.1"
    inner = {"publicIPAddress": {"id": address["id"]}}
    body = {"location": "l", "properties": {"ipConfigurations": [{"name": "c", "properties": inner}]}}
    assert ask("PUT", f"{home}/networkInterfaces/{name}", body)[0] == 201
    assert ask("DELETE", f"{home}/publicIPAddresses/{name}")[0] == 202
    assert ask("DELETE", f"{home}/networkInterfaces/{name}")[0] == 200
    assert len(ask("GET", f"{home}/networkSecurityGroups")[1]["value"]) == 0
