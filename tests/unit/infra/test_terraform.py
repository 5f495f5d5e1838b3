"""What Terraform makes fits the application, and keeps its promises: no keys, nothing public."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.run import storage
from pipeline_core.domain import names, tools
from tests.unit.infra import terraform

CHECKOUT = Path(__file__).resolve().parents[3]
# What only a machine of a developer needs, and what a Flex Consumption app must not be given.
ONLY_LOCAL = {
    "AzureWebJobsStorage",
    "FUNCTIONS_WORKER_RUNTIME",
    "FACTORY_CA_FILE",
    "FACTORY_SIGNING_KEY_FILE",
}
PRIVATE: dict[str, dict[str, Any]] = {
    "azurerm_storage_account": {
        "shared_access_key_enabled": False,
        "public_network_access_enabled": False,
        "allow_nested_items_to_be_public": False,
        "default_to_oauth_authentication": True,
        "min_tls_version": "TLS1_2",
    },
    "azurerm_container_registry": {
        "sku": "Premium",
        "admin_enabled": False,
        "anonymous_pull_enabled": False,
        "public_network_access_enabled": False,
    },
    "azurerm_key_vault": {
        "rbac_authorization_enabled": True,
        "purge_protection_enabled": True,
        "public_network_access_enabled": False,
    },
    "azurerm_application_insights": {"local_authentication_enabled": False},
}
# What azurerm 5.0 removes of the kinds used here (its 5.0 upgrade guide). None means the whole kind: no version takes
# both its old and its new names.
REMOVED: dict[str, set[str] | None] = {
    "azurerm_application_insights": {
        "daily_data_cap_notifications_disabled",
        "disable_ip_masking",
        "local_authentication_disabled",
    },
    "azurerm_container_registry": {"trust_policy_enabled", "regional_endpoint_enabled"},
    "azurerm_eventgrid_system_topic": {"metric_arm_resource_id", "source_arm_resource_id"},
    "azurerm_eventgrid_system_topic_event_subscription": {
        "eventhub_endpoint_id",
        "hybrid_connection_endpoint_id",
        "service_bus_queue_endpoint_id",
        "service_bus_topic_endpoint_id",
    },
    "azurerm_key_vault": {"contact", "enable_rbac_authorization"},
    "azurerm_log_analytics_workspace": {
        "internet_ingestion_enabled",
        "internet_query_enabled",
        "local_authentication_disabled",
    },
    "azurerm_monitor_diagnostic_setting": {"metric", "retention_policy"},
    "azurerm_private_dns_zone_virtual_network_link": None,
    "azurerm_storage_account": {"queue_properties", "static_website"},
    "azurerm_subnet": {"service_endpoints"},
}
FIRST_VERSION = (4, 78)  # the first that knows every name used here


def test_every_file_has_valid_syntax() -> None:
    assert len(terraform.files()) >= 12


def _providers() -> dict[str, dict[str, Any]]:
    (settings,) = terraform.files()["versions.tf"]["terraform"]
    (required,) = settings["required_providers"]
    return {name: each for name, each in required.items() if isinstance(each, dict)}


def test_the_provider_does_not_wait_for_a_storage_account_that_it_cannot_reach() -> None:
    (azurerm,) = [
        each["azurerm"] for each in terraform.files()["versions.tf"]["provider"] if "azurerm" in each
    ]
    (features,) = azurerm["features"]
    (storage_features,) = features["storage"]
    assert storage_features == {"data_plane_available": False}


def test_the_lower_bound_of_the_provider_knows_every_name() -> None:
    """`data_plane_available` alone came with 4.9 (its changelog), `local_authentication_enabled` with 4.78."""
    found = re.fullmatch(r">= (\d+)\.(\d+), < (\d+)\.0", _providers()["azurerm"]["version"])
    assert found is not None
    assert (int(found[1]), int(found[2])) >= FIRST_VERSION


@pytest.mark.parametrize("kind", REMOVED)
def test_no_name_is_one_that_the_next_major_version_removes(kind: str) -> None:
    removed, found = REMOVED[kind], terraform.resources(kind)
    if removed is None:
        assert not found
    assert [name for name, each in found.items() if _names(each) & (removed or set())] == []


def _names(block: dict[str, Any]) -> set[str]:
    """Every argument of a block, and of the blocks inside it."""
    inner = [each for value in block.values() for each in (value if isinstance(value, list) else [value])]
    return set(block).union(*(_names(each) for each in inner if isinstance(each, dict)))


def test_every_zone_is_linked_to_the_network() -> None:
    link = terraform.resources("azapi_resource")["zone_link"]
    assert link["for_each"] == "${local.private_services}"
    assert "azurerm_private_dns_zone.service[each.key].id" in link["parent_id"]
    assert "azurerm_virtual_network.factory.id" in link["body"]["properties"]["virtualNetwork"]["id"]


def test_the_settings_of_the_app_are_those_of_the_sample() -> None:
    sample = json.loads((CHECKOUT / "local.settings.sample.json").read_text("utf-8"))
    assert set(terraform.local("app_settings")) == set(sample["Values"]) - ONLY_LOCAL


def test_the_app_is_given_no_connection_string_for_its_storage() -> None:
    settings = {**terraform.local("app_settings"), **terraform.local("host_settings")}
    assert "AzureWebJobsStorage" not in settings
    assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
    assert "Authorization=AAD" in settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]


def test_storage_holds_what_the_local_run_makes_too() -> None:
    # Azurite's queues and containers are made by the runner; on Azure nobody but Terraform makes them.
    written = {
        name: set(re.findall(r'"([a-z-]+)"', str(terraform.local(name)))) for name in ("tables", "queues")
    }
    assert written == {"tables": set(storage.TABLES), "queues": set(storage.QUEUES)}
    assert set(re.findall(r'"([a-z-]+)"', str(terraform.local("blob_containers")))) == set(storage.CONTAINERS)


def test_each_file_of_a_third_party_is_scanned_and_nothing_else_of_the_factory_is() -> None:
    """A log is appended to every two seconds, and each commit would be a scan of the whole blob."""
    plan = terraform.resources("azapi_resource")["malware_scanning"]
    assert plan["for_each"].replace("\\", "").startswith('${var.tool_scanner == "defender" ?')
    assert plan["type"].startswith("Microsoft.Security/defenderForStorageSettings@")
    assert plan["parent_id"] == "${azurerm_storage_account.factory.id}"
    properties = plan["body"]["properties"]
    assert properties["overrideSubscriptionLevelSettings"] is True
    scanning = properties["malwareScanning"]
    assert scanning["blobScanResultsOptions"] == "BlobIndexTags"  # the factory reads nothing else
    assert scanning["automatedResponse"] == "None"  # the factory decides, and says so
    assert scanning["onUpload"]["isEnabled"] is True
    excluded = scanning["onUpload"]["filters"]["excludeBlobsWithPrefix"]
    assert "setsubtract(setunion(local.blob_containers" in excluded
    assert "local.scanned_containers" in excluded
    assert "${name}/" in excluded  # without the slash, `catalog` would leave out `catalog-quarantine` too
    scanned = set(re.findall(r'"([a-z-]+)"', str(terraform.local("scanned_containers"))))
    assert scanned == {tools.QUARANTINE, tools.SERVED}


def test_a_file_leaves_quarantine_by_itself_and_no_admitted_one_does() -> None:
    rules = terraform.resources("azurerm_storage_management_policy")["factory"]["rule"]
    prefixes = [prefix for rule in rules for each in rule["filters"] for prefix in each["prefix_match"]]
    assert f"{tools.QUARANTINE}/" in prefixes
    assert not [prefix for prefix in prefixes if f"{tools.SERVED}/".startswith(prefix)]


@pytest.mark.parametrize("kind", PRIVATE)
def test_no_service_has_keys_or_a_public_way_in(kind: str) -> None:
    found = terraform.resources(kind)
    assert found
    for resource in found.values():
        assert {key: resource.get(key) for key in PRIVATE[kind]} == PRIVATE[kind]


def test_what_was_signed_can_be_neither_changed_nor_deleted() -> None:
    policy = terraform.resources("azapi_resource")["provenance_immutability"]
    assert "containers/immutabilityPolicies@" in policy["type"]
    assert policy["parent_id"].replace("\\", "") == '${azapi_resource.container["provenance"].id}'
    properties = policy["body"]["properties"]
    assert properties.pop("immutabilityPeriodSinceCreationInDays") == "${var.provenance_days}"
    assert set(properties.values()) == {False}  # no append either
    for rule in terraform.resources("azurerm_storage_management_policy")["factory"]["rule"]:
        (filters,) = rule["filters"]
        assert not [prefix for prefix in filters["prefix_match"] if "provenance/".startswith(prefix)]


def test_storage_forgets_removed_bundles_and_no_other() -> None:
    rules = terraform.resources("azurerm_storage_management_policy")["factory"]["rule"]
    about_bundles = [rule for rule in rules if "bundles/" in rule["filters"][0]["prefix_match"]]
    assert [rule["actions"] for rule in about_bundles] == [
        [{"version": [{"delete_after_days_since_creation": 30}]}]
    ]


def test_only_a_builder_reaches_a_machine_and_it_may_try_every_port() -> None:
    """A rule for the declared ports alone would hide an image that answers at others."""
    rules = terraform.resources("azurerm_network_security_group")["machines"]["security_rule"]
    inward = sorted(
        (each for each in rules if each["direction"] == "Inbound"), key=lambda each: each["priority"]
    )
    assert [(each["access"], each["protocol"], each["destination_port_range"]) for each in inward] == [
        ("Allow", "Tcp", "22"),
        ("Allow", "*", "*"),
        ("Deny", "*", "*"),
    ]
    sources = [str(each.get("source_address_prefixes")) for each in inward]
    assert all("azurerm_subnet.containers.address_prefixes" in each for each in sources[:2])
    assert inward[2]["source_address_prefix"] == "*"


def test_the_only_public_address_is_the_way_out() -> None:
    assert set(terraform.resources("azurerm_public_ip")) == {"nat"}
    (association,) = terraform.resources("azurerm_nat_gateway_public_ip_association").values()
    assert "azurerm_public_ip.nat.id" in association["public_ip_address_id"]
    attached = [name for name in terraform.files() if "azurerm_public_ip" in terraform.text(name)]
    assert attached == ["network.tf"]
    assert terraform.text("network.tf").count("azurerm_public_ip.nat") == 1
    forbidden = {
        "azurerm_lb",
        "azurerm_application_gateway",
        "azurerm_bastion_host",
        "azurerm_network_interface",
    }
    assert not terraform.kinds() & forbidden


def test_no_subnet_has_a_way_out_of_its_own() -> None:
    subnets = terraform.resources("azurerm_subnet")
    assert {
        name for name, subnet in subnets.items() if subnet["default_outbound_access_enabled"] is False
    } == set(subnets)


def test_subnets_are_delegated_to_what_runs_in_them() -> None:
    delegated = {
        name: block["service_delegation"][0]["name"]
        for name, subnet in terraform.resources("azurerm_subnet").items()
        for block in subnet.get("delegation", [])
    }
    assert delegated == {
        "functions": "Microsoft.App/environments",
        "containers": "Microsoft.ContainerInstance/containerGroups",
    }


def test_the_app_is_reached_by_event_grid_and_the_network_only() -> None:
    site = terraform.resources("azapi_resource")["function_app"]["body"]["properties"]
    assert site["httpsOnly"] is True
    assert site["siteConfig"]["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert site["siteConfig"]["scmIpSecurityRestrictionsDefaultAction"] == "Deny"
    assert [rule["ipAddress"] for rule in site["siteConfig"]["ipSecurityRestrictions"]] == ["AzureEventGrid"]
    assert site["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.11"}


def test_a_private_endpoint_serves_every_service_that_is_closed() -> None:
    services = terraform.local("private_services")
    assert set(services) == {"blob", "queue", "table", "vault", "registry", "sites"}


def test_folders_cannot_be_scopes_because_blobs_have_versions() -> None:
    account = terraform.resources("azurerm_storage_account")["factory"]
    assert "is_hns_enabled" not in account
    (properties,) = account["blob_properties"]
    assert properties["versioning_enabled"] is True


def test_events_are_those_of_gallery_versions() -> None:
    (event,) = terraform.resources("azurerm_eventgrid_system_topic_event_subscription").values()
    assert "/functions/observe_gallery_event" in str(event)
    assert "Microsoft.Compute/galleries/images/versions/write" in str(event)
    table = json.loads((CHECKOUT / "tests" / "golden" / "function_table.json").read_text("utf-8"))
    assert "observe_gallery_event" in json.dumps(table)


def test_the_galleries_have_names_that_the_factory_takes() -> None:
    (quarantine,) = terraform.resources("azurerm_shared_image_gallery").keys() - {"live"}
    assert names.GalleryName(terraform.resources("azurerm_shared_image_gallery")[quarantine]["name"])


def test_no_secret_is_written_down() -> None:
    for path in filter(Path.is_file, terraform.INFRA.rglob("*")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"AccountKey=|sig=[A-Za-z0-9%]{20}|(secret|password)\s*=\s*\"", text), path.name
