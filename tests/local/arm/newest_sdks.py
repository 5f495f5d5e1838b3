"""A program for a Python that has only the newest SDKs (tools/newest-sdks.txt): calls the emulator, prints what came.

`python -S newest_sdks.py ARM_JSON`. It prints the SDKs with their versions, then one line for each call: what was
called, the HTTP status of the call's first request, and the error code if there is one. Its calls are those on the way
to groups, galleries, definitions, versions, container groups and their logs, Marketplace images, tags, keys and
sign-in.
"""

import hashlib
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientSecretCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

BUILD, GALLERIES, REGION = "rg-build", "rg-gallery", "westeurope"
Named = tuple[str, Callable[[], Any]]


class Statuses(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """Notes the status of each answer."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_response(self, request: Any, response: Any) -> None:
        self.seen.append(response.http_response.status_code)


def client_of(module: str, name: str) -> Any:
    """A client's class."""
    return getattr(importlib.import_module(module), name)


class Clients:
    """Every client, signed in as one application."""

    def __init__(self, facts: dict[str, Any], statuses: Statuses) -> None:
        self.subscription = facts["subscription_id"]
        self.credential = ClientSecretCredential(
            facts["tenant_id"],
            "f0f0f0f0-0000-4000-8000-000000000002",
            "any",
            authority=facts["authority"],
            disable_instance_discovery=True,
            connection_verify=facts["ca_file"],
        )
        common: dict[str, Any] = {
            "base_url": facts["arm"],
            "connection_verify": facts["ca_file"],
            "retry_total": 0,
            "polling_interval": 0.05,
            "per_call_policies": [statuses],
        }
        one = (self.credential, self.subscription)
        self.compute = ComputeManagementClient(*one, **common)
        self.containers = ContainerInstanceManagementClient(*one, **common)
        self.resources = ResourceManagementClient(*one, **common)
        # Not installed where the types are checked, because the factory does not use them.
        self.deployments = client_of("azure.mgmt.resource.deployments", "DeploymentsMgmtClient")(
            *one, **common
        )
        self.vaults = client_of("azure.mgmt.keyvault", "KeyVaultManagementClient")(*one, **common)
        of_tenant = client_of("azure.mgmt.resource.subscriptions", "SubscriptionClient")
        self.subscriptions = of_tenant(self.credential, **common)
        vault: dict[str, Any] = {
            "vault_url": facts["vault"],
            "credential": self.credential,
            "verify_challenge_resource": False,
            "connection_verify": facts["ca_file"],
            "per_call_policies": [statuses],
        }
        self.keys, self.secrets, self._vault = KeyClient(**vault), SecretClient(**vault), vault

    def cryptography(self) -> CryptographyClient:
        """The client that signs with the factory's key."""
        options = {name: value for name, value in self._vault.items() if name != "vault_url"}
        return CryptographyClient(self.keys.get_key("provenance"), **options)

    def scope(self, group: str, rest: str = "") -> str:
        """The id of a resource group, or of what is in it."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{group}{rest}"


def of_subscriptions(clients: Clients) -> Iterator[Named]:
    subscriptions, resources = clients.subscriptions, clients.resources
    yield "sign-in: token", lambda: clients.credential.get_token("https://management.azure.com/.default")
    yield "subscriptions.list", lambda: list(subscriptions.subscriptions.list())
    yield "subscriptions.get", lambda: subscriptions.subscriptions.get(clients.subscription)
    yield (
        "subscriptions.list_locations",
        lambda: list(subscriptions.subscriptions.list_locations(clients.subscription)),
    )
    yield "tenants.list", lambda: list(subscriptions.tenants.list())
    yield "providers.list", lambda: list(resources.providers.list())
    yield "providers.get Microsoft.Compute", lambda: resources.providers.get("Microsoft.Compute")
    yield "providers.register", lambda: resources.providers.register("Microsoft.ContainerInstance")
    yield "providers.get Microsoft.Sql", lambda: resources.providers.get("Microsoft.Sql")


def of_groups(clients: Clients) -> Iterator[Named]:
    groups, resources, tags = (
        clients.resources.resource_groups,
        clients.resources.resources,
        clients.resources.tags,
    )
    scope = clients.scope("rg-new")
    gallery = clients.scope(GALLERIES, "/providers/Microsoft.Compute/galleries/live")
    merged: Any = {"operation": "Merge", "properties": {"tags": {"team": "base"}}}
    whole: Any = {"properties": {"tags": {"team": "core"}}}
    yield "resource_groups.create_or_update", lambda: groups.create_or_update("rg-new", {"location": REGION})
    yield "resource_groups.get", lambda: groups.get("rg-new")
    yield "resource_groups.check_existence", lambda: groups.check_existence("rg-new")
    yield "resource_groups.list", lambda: list(groups.list())
    yield (
        "resource_groups.list by tag",
        lambda: list(groups.list(filter="tagName eq 'a' and tagValue eq 'b'")),
    )
    yield "resource_groups.update", lambda: groups.update("rg-new", {"tags": {"a": "b"}})
    yield "tags.get_at_scope group", lambda: tags.get_at_scope(scope)
    yield "tags.begin_update_at_scope", lambda: tags.begin_update_at_scope(scope, merged).result()
    yield (
        "tags.begin_create_or_update_at_scope",
        lambda: tags.begin_create_or_update_at_scope(gallery, whole).result(),
    )
    yield "tags.get_at_scope gallery", lambda: tags.get_at_scope(gallery)
    yield "tags.begin_delete_at_scope", lambda: tags.begin_delete_at_scope(scope).result()
    yield "tags.list", lambda: list(tags.list())
    yield "resources.list", lambda: list(resources.list())
    for text in (
        "resourceGroup eq 'rg-gallery'",
        "resourceType eq 'Microsoft.Compute/galleries'",
        "tagName eq 'team' and tagValue eq 'core'",
        "substringof('live', name)",
    ):
        yield f"resources.list {text}", lambda text=text: list(resources.list(filter=text))  # type: ignore[misc]
    yield "resources.list_by_resource_group", lambda: list(resources.list_by_resource_group(GALLERIES))
    yield "resources.get_by_id", lambda: resources.get_by_id(gallery, api_version="2024-03-03")
    yield (
        "resources.check_existence_by_id",
        lambda: resources.check_existence_by_id(gallery, api_version="2024-03-03"),
    )
    yield (
        "resource_groups.begin_export_template",
        lambda: groups.begin_export_template("rg-new", {"resources": ["*"]}).result(),
    )
    yield "resource_groups.begin_delete", lambda: groups.begin_delete("rg-new").result()


def of_marketplace(clients: Clients) -> Iterator[Named]:
    images = clients.compute.virtual_machine_images
    yield "virtual_machine_images.list_publishers", lambda: images.list_publishers(REGION)
    yield "virtual_machine_images.list_offers", lambda: images.list_offers(REGION, "RedHat")
    yield "virtual_machine_images.list_skus", lambda: images.list_skus(REGION, "RedHat", "RHEL")
    yield "virtual_machine_images.list", lambda: images.list(REGION, "RedHat", "RHEL", "9-lvm-gen2")
    yield (
        "virtual_machine_images.get",
        lambda: images.get(REGION, "RedHat", "RHEL", "9-lvm-gen2", "9.6.2025112113"),
    )
    yield "resource_skus.list", lambda: list(clients.compute.resource_skus.list())
    yield "usage.list", lambda: list(clients.compute.usage.list(REGION))


def of_machines(clients: Clients) -> Iterator[Named]:
    machines, disks = clients.compute.virtual_machines, clients.compute.disks
    interface = clients.scope(BUILD, "/providers/Microsoft.Network/networkInterfaces/nic")
    body: Any = {"location": REGION, "properties": {"ipConfigurations": []}}
    disk: Any = {"createOption": "FromImage"}
    image = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "latest"}
    machine: Any = {
        "location": REGION,
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"imageReference": image, "osDisk": disk},
            "osProfile": {"computerName": "vm", "adminUsername": "packer", "adminPassword": "a-Long-1-word"},
            "networkProfile": {"networkInterfaces": [{"id": interface}]},
        },
    }
    yield (
        "resources.begin_create_or_update_by_id",
        lambda: clients.resources.resources.begin_create_or_update_by_id(
            interface, body, api_version="2024-05-01"
        ).result(),
    )
    yield (
        "virtual_machines.begin_create_or_update",
        lambda: machines.begin_create_or_update(BUILD, "vm", machine).result(),
    )
    yield "virtual_machines.get", lambda: machines.get(BUILD, "vm")
    yield "virtual_machines.list", lambda: list(machines.list(BUILD))
    yield "virtual_machines.list_all", lambda: list(machines.list_all())
    yield "virtual_machines.instance_view", lambda: machines.instance_view(BUILD, "vm")
    yield "virtual_machines.begin_deallocate", lambda: machines.begin_deallocate(BUILD, "vm").result()
    yield "virtual_machines.generalize", lambda: machines.generalize(BUILD, "vm")
    yield "disks.list_by_resource_group", lambda: list(disks.list_by_resource_group(BUILD))


def of_galleries(clients: Clients) -> Iterator[Named]:
    galleries, images = clients.compute.galleries, clients.compute.gallery_images
    one: tuple[str, str, str] = (GALLERIES, "fresh", "base")
    place: Any = {"location": REGION}
    tags: Any = {"tags": {"a": "b"}}
    identifier = {"publisher": "acme", "offer": "rhel", "sku": "base"}
    definition: Any = {
        "location": REGION,
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": "V2",
            "identifier": identifier,
            "features": [{"name": "SecurityType", "value": "Standard"}],
        },
    }
    yield (
        "galleries.begin_create_or_update",
        lambda: galleries.begin_create_or_update(GALLERIES, "fresh", place).result(),
    )
    yield "galleries.get", lambda: galleries.get(GALLERIES, "fresh")
    yield "galleries.list_by_resource_group", lambda: list(galleries.list_by_resource_group(GALLERIES))
    yield "galleries.list", lambda: list(galleries.list())
    yield (
        "galleries.begin_update",
        lambda: galleries.begin_update(GALLERIES, "fresh", tags).result(),
    )
    yield (
        "gallery_images.begin_create_or_update",
        lambda: images.begin_create_or_update(*one, definition).result(),
    )
    yield "gallery_images.get", lambda: images.get(*one)
    yield "gallery_images.list_by_gallery", lambda: list(images.list_by_gallery(GALLERIES, "fresh"))
    feature = {"name": "SecurityType", "value": "TrustedLaunchSupported", "startsAtVersion": "2.0.0"}
    fixed = {"osType": "Linux", "osState": "Generalized", "identifier": identifier}
    change: Any = {"properties": {**fixed, "allowUpdateImage": True, "features": [feature]}}
    yield "gallery_images.begin_update", lambda: images.begin_update(*one, change).result()


def of_versions(clients: Clients) -> Iterator[Named]:
    compute = clients.compute
    galleries, images, versions = compute.galleries, compute.gallery_images, compute.gallery_image_versions
    one: tuple[str, str, str] = (GALLERIES, "fresh", "base")
    source = clients.scope(BUILD, "/providers/Microsoft.Compute/virtualMachines/vm")
    version: Any = {
        "location": REGION,
        "properties": {
            "publishingProfile": {"targetRegions": [{"name": REGION}]},
            "storageProfile": {"source": {"virtualMachineId": source}},
        },
    }
    change: Any = {"properties": {"publishingProfile": {"excludeFromLatest": True}, "storageProfile": {}}}
    yield (
        "gallery_image_versions.begin_create_or_update",
        lambda: versions.begin_create_or_update(*one, "1.0.0", version).result(),
    )
    yield "gallery_image_versions.get", lambda: versions.get(*one, "1.0.0")
    yield (
        "gallery_image_versions.get ReplicationStatus",
        lambda: versions.get(*one, "1.0.0", expand="ReplicationStatus"),
    )
    yield "gallery_image_versions.list_by_gallery_image", lambda: list(versions.list_by_gallery_image(*one))
    yield "gallery_image_versions.begin_update", lambda: versions.begin_update(*one, "1.0.0", change).result()
    yield (
        "gallery_applications.list_by_gallery",
        lambda: list(compute.gallery_applications.list_by_gallery(GALLERIES, "fresh")),
    )
    managed: Any = {"location": REGION, "properties": {"sourceVirtualMachine": {"id": source}}}
    yield (
        "images.begin_create_or_update",
        lambda: compute.images.begin_create_or_update(BUILD, "image", managed).result(),
    )
    yield "images.get", lambda: compute.images.get(BUILD, "image")
    yield "images.list_by_resource_group", lambda: list(compute.images.list_by_resource_group(BUILD))
    yield "images.begin_delete", lambda: compute.images.begin_delete(BUILD, "image").result()
    yield "gallery_image_versions.begin_delete", lambda: versions.begin_delete(*one, "1.0.0").result()
    yield "gallery_images.begin_delete", lambda: images.begin_delete(*one).result()
    yield "galleries.begin_delete", lambda: galleries.begin_delete(GALLERIES, "fresh").result()
    yield "virtual_machines.begin_delete", lambda: compute.virtual_machines.begin_delete(BUILD, "vm").result()


def of_containers(clients: Clients) -> Iterator[Named]:
    groups, containers, place = (
        clients.containers.container_groups,
        clients.containers.containers,
        clients.containers.location,
    )
    asked = {"requests": {"cpu": 1, "memoryInGB": 1}}
    container = {"image": "builder", "command": ["sample", "sleep"], "resources": asked}
    properties = {
        "osType": "Linux",
        "restartPolicy": "Never",
        "containers": [{"name": "one", "properties": container}],
    }
    body: Any = {"location": REGION, "properties": properties}
    yield (
        "container_groups.begin_create_or_update",
        lambda: groups.begin_create_or_update(BUILD, "one", body).result(),
    )
    yield "container_groups.get", lambda: groups.get(BUILD, "one")
    yield "container_groups.list", lambda: list(groups.list())
    yield "container_groups.list_by_resource_group", lambda: list(groups.list_by_resource_group(BUILD))
    yield "containers.list_logs", lambda: containers.list_logs(BUILD, "one", "one", tail=5)
    yield "containers.attach", lambda: containers.attach(BUILD, "one", "one")
    yield "location.list_usage", lambda: list(place.list_usage(REGION))
    yield "location.list_capabilities", lambda: list(place.list_capabilities(REGION))
    yield "container_groups.begin_restart", lambda: groups.begin_restart(BUILD, "one").result()
    yield "container_groups.stop", lambda: groups.stop(BUILD, "one")
    yield "container_groups.begin_start", lambda: groups.begin_start(BUILD, "one").result()
    yield "container_groups.begin_delete", lambda: groups.begin_delete(BUILD, "one").result()


def of_deployments(clients: Clients) -> Iterator[Named]:
    deployments, steps = clients.deployments.deployments, clients.deployments.deployment_operations
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
    }
    body: Any = {"properties": {"mode": "Incremental", "template": template}}
    yield "deployments.begin_validate", lambda: deployments.begin_validate(BUILD, "empty", body).result()
    yield (
        "deployments.begin_create_or_update",
        lambda: deployments.begin_create_or_update(BUILD, "empty", body).result(),
    )
    yield "deployments.get", lambda: deployments.get(BUILD, "empty")
    yield "deployments.list_by_resource_group", lambda: list(deployments.list_by_resource_group(BUILD))
    yield "deployment_operations.list", lambda: list(steps.list(BUILD, "empty"))
    yield "deployments.begin_delete", lambda: deployments.begin_delete(BUILD, "empty").result()


def of_vaults(clients: Clients) -> Iterator[Named]:
    keys, secrets = clients.keys, clients.secrets
    digest = hashlib.sha256(b"evidence").digest()
    yield "keys.get_key", lambda: keys.get_key("provenance")
    yield "keys.list_properties_of_keys", lambda: list(keys.list_properties_of_keys())
    yield (
        "keys.list_properties_of_key_versions",
        lambda: list(keys.list_properties_of_key_versions("provenance")),
    )
    yield "keys.create_ec_key", lambda: keys.create_ec_key("second", curve="P-256")
    yield "keys.rotate_key", lambda: keys.rotate_key("second")
    yield "keys.update_key_properties", lambda: keys.update_key_properties("second", enabled=False)
    yield "keys.begin_delete_key", lambda: keys.begin_delete_key("second")
    yield "cryptography.sign", lambda: clients.cryptography().sign(SignatureAlgorithm.es256, digest)
    yield "secrets.set_secret", lambda: secrets.set_secret("hook", "value")
    yield "secrets.get_secret", lambda: secrets.get_secret("hook")
    yield "secrets.list_properties_of_secrets", lambda: list(secrets.list_properties_of_secrets())
    yield (
        "secrets.list_properties_of_secret_versions",
        lambda: list(secrets.list_properties_of_secret_versions("hook")),
    )
    yield "vaults.list", lambda: list(clients.vaults.vaults.list_by_resource_group(BUILD))


def outcome(call: Callable[[], Any], statuses: Statuses) -> str:
    """The status of the call's first answer that is no challenge, with the error's code."""
    statuses.seen.clear()
    code: str | None = ""
    try:
        call()
    except HttpResponseError as error:
        code = error.error.code if error.error is not None else str(error.status_code)
    first = next((each for each in statuses.seen if each != 401), 200)  # a token leaves no answer here
    return f"{first} {code}".rstrip()


def main(announced: str) -> None:
    """Print the versions and the outcomes."""
    for name in sorted(each.metadata["Name"] for each in importlib.metadata.distributions()):
        if name.startswith("azure-"):
            print(f"# {name} {importlib.metadata.version(name)}")
    statuses = Statuses()
    clients = Clients(json.loads(Path(announced).read_text(encoding="utf-8")), statuses)
    for service in (
        of_subscriptions,
        of_groups,
        of_marketplace,
        of_machines,
        of_galleries,
        of_versions,
        of_containers,
        of_deployments,
        of_vaults,
    ):
        for name, call in service(clients):
            print(f"{name}: {outcome(call, statuses)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
