"""The ARM bodies that we send, as golden files, and that the SDK sends what they show."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.mgmt.containerinstance import models as shapes

from pipeline_core.adapters.azure import gallery_bodies as bodies
from pipeline_core.adapters.azure.configuration import Configuration, GalleryPlace
from pipeline_core.adapters.azure.containers import render_group
from pipeline_core.domain.definitions import Generation, OsTraits, SecurityType, TargetRegion
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.sources import PurchasePlan
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import NewContainerGroup, NewGalleryVersion
from tests import arm_schemas
from tests.fixtures.golden import FOLDER

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
PLACES = {
    name: GalleryPlace(subscription_id=SUBSCRIPTION, resource_group="rg-galleries", name=GalleryName(name))
    for name in ("quarantine", "live")
}
CONFIGURATION = Configuration(
    subscription_id=SUBSCRIPTION,
    tenant_id="00000000-0000-0000-0000-000000000002",
    location=Region("westeurope"),
    client_id="00000000-0000-0000-0000-000000000003",
    publisher_client_id="00000000-0000-0000-0000-000000000005",
    cleaner_client_id="00000000-0000-0000-0000-000000000006",
    blob_endpoint="https://examplestorage.blob.core.windows.net",
    queue_endpoint="https://examplestorage.queue.core.windows.net",
    table_endpoint="https://examplestorage.table.core.windows.net",
    receivers_vault_uri="https://example.vault.azure.net",
    arm_endpoint="https://management.azure.com",
    authority="https://login.microsoftonline.com",
    audience="api://imagefactory",
    build_resource_group="rg-build",
    builder_image="example.azurecr.io/imagefactory-builder@sha256:" + "0" * 64,
    builder_identity_id=(
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-build/providers"
        "/Microsoft.ManagedIdentity/userAssignedIdentities/builder"
    ),
    build_subnet_id=(
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-net/providers"
        "/Microsoft.Network/virtualNetworks/vnet/subnets/builders"
    ),
    galleries=PLACES,
)
GROUP = NewContainerGroup(
    name="if-build-0123",
    environment={"IF_STAGE": "build", "IF_ATTEMPT": "1", "IF_BUILD_ID": "payments-api.3fa9c1d20b77.1"},
    tags={"imagefactory-stage": "build", "imagefactory-build": "payments-api.3fa9c1d20b77.1"},
    secrets={"IF_BLOB_TOKEN": "a-token-of-this-attempt"},
)
COPY = NewGalleryVersion(
    gallery=GalleryName("live"),
    source_gallery=GalleryName("quarantine"),
    image=ImageName("payments-api"),
    version=GalleryVersion(1, 20261121, 1),
    regions=(
        TargetRegion(name=Region("westeurope"), replicas=2),
        TargetRegion(name=Region("northeurope")),
    ),
    tags={"imagefactory-build": "payments-api.3fa9c1d20b77.1"},
    end_of_life=datetime(2027, 2, 19, 9, 30, tzinfo=UTC),
)
PLAN = PurchasePlan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")
TAGS = {"cost-centre": "4711"}
Golden = Callable[[str, str], None]


def text(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=2) + "\n"


def test_a_container_group(golden: Golden) -> None:
    golden("azure/container_group.json", text(render_group(GROUP, CONFIGURATION)))


def test_a_container_group_outside_a_network(golden: Golden) -> None:
    golden(
        "azure/container_group_without_network.json",
        text(render_group(GROUP, replace(CONFIGURATION, build_subnet_id=""))),
    )


def test_a_secret_is_sent_as_a_secure_value_and_is_in_no_text_about_the_group() -> None:
    (container,) = render_group(GROUP, CONFIGURATION)["properties"]["containers"]
    secret = [each for each in container["properties"]["environmentVariables"] if "secureValue" in each]
    assert secret == [{"name": "IF_BLOB_TOKEN", "secureValue": "a-token-of-this-attempt"}]
    assert "a-token-of-this-attempt" not in repr(GROUP)


@pytest.mark.parametrize("subnet", [CONFIGURATION.build_subnet_id, ""])
def test_the_sdk_sends_every_word_of_a_container_group(subnet: str) -> None:
    """The SDK's model drops what it does not know, without a word."""
    body = render_group(GROUP, replace(CONFIGURATION, build_subnet_id=subnet))
    assert shapes.ContainerGroup.deserialize(body).serialize() == body


@pytest.mark.parametrize("image", ["builder@sha256:" + "0" * 64, "library/builder@sha256:" + "0" * 64])
def test_an_image_without_a_registry_of_its_own_needs_no_registry_credentials(image: str) -> None:
    properties = render_group(GROUP, replace(CONFIGURATION, builder_image=image))["properties"]
    assert "imageRegistryCredentials" not in properties


def test_everything_that_is_made_has_the_tags_of_the_settings_beside_ours() -> None:
    here = Region("westeurope")
    made = (
        render_group(GROUP, replace(CONFIGURATION, tags=TAGS)),
        bodies.render_definition(ImageName("payments-api"), OsTraits(), here, TAGS),
        bodies.render_version(COPY, PLACES["quarantine"], here, TAGS),
    )
    ours = (GROUP.tags, {"imagefactory-image": "payments-api"}, COPY.tags)
    assert [body["tags"] for body in made] == [{**TAGS, **each} for each in ours]


def test_nothing_of_a_container_group_is_open_to_the_network() -> None:
    assert "ipAddress" not in render_group(GROUP, CONFIGURATION)["properties"]


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("trusted", OsTraits()),
        ("supported", OsTraits(security_type=SecurityType.TRUSTED_LAUNCH_SUPPORTED)),
        ("standard", OsTraits(generation=Generation.V1, security_type=SecurityType.STANDARD)),
        ("with_plan", OsTraits(plan=PLAN)),
    ],
)
def test_an_image_definition(golden: Golden, name: str, traits: OsTraits) -> None:
    body = bodies.render_definition(ImageName("payments-api"), traits, Region("westeurope"))
    golden(f"azure/definition_{name}.json", text(body))


def test_a_version(golden: Golden) -> None:
    golden(
        "azure/version.json", text(bodies.render_version(COPY, PLACES["quarantine"], Region("westeurope")))
    )


def test_a_version_is_in_the_factorys_own_region_too() -> None:
    """ARM refuses a version whose location is not one of its regions."""
    elsewhere = replace(COPY, regions=(TargetRegion(name=Region("northeurope")),))
    body = bodies.render_version(elsewhere, PLACES["quarantine"], Region("westeurope"))
    regions = body["properties"]["publishingProfile"]["targetRegions"]
    assert [region["name"] for region in regions] == ["northeurope", "westeurope"]


def test_a_source_may_lie_in_another_subscription() -> None:
    other = replace(PLACES["quarantine"], subscription_id="00000000-0000-0000-0000-00000000000f")
    body = bodies.render_version(COPY, other, Region("westeurope"))
    assert body["properties"]["storageProfile"]["source"]["id"].startswith(
        "/subscriptions/00000000-0000-0000-0000-00000000000f/resourceGroups/rg-galleries/"
    )


@pytest.mark.parametrize(("name", "excluded"), [("inclusion", False), ("exclusion", True)])
def test_a_change_of_the_mark_changes_nothing_else(golden: Golden, name: str, excluded: bool) -> None:
    version = bodies.render_version(COPY, PLACES["quarantine"], Region("westeurope"))
    profile = {**version["properties"]["publishingProfile"], "publishedDate": "read only"}
    life = bodies.end_of_life_of(profile)
    assert life == COPY.end_of_life
    now = datetime(2026, 11, 21, tzinfo=UTC)
    body = bodies.render_exclusion(profile, excluded=excluded, end_of_life=life, now=now)
    golden(f"azure/{name}.json", text(body))


@pytest.mark.parametrize(
    ("kept", "wanted", "sent"),
    [
        (None, None, {}),
        (None, "2027-01-01", {"endOfLifeDate": "2027-01-01T00:00:00Z"}),
        ("2027-05-01T00:00:00+00:00", "2027-01-01", {"endOfLifeDate": "2027-01-01T00:00:00Z"}),
        ("2026-01-01T00:00:00Z", "2026-01-01", {}),
        ("2027-05-01T00:00:00Z", None, {"endOfLifeDate": None}),
    ],
    ids=["none", "a first", "another", "one that has passed is not sent", "removed"],
)
def test_the_end_of_life_is_sent_as_azure_takes_it(
    kept: str | None, wanted: str | None, sent: dict[str, str | None]
) -> None:
    life = None if wanted is None else datetime.fromisoformat(wanted).replace(tzinfo=UTC)
    profile = {} if kept is None else {"endOfLifeDate": kept}
    body = bodies.render_exclusion(
        profile, excluded=True, end_of_life=life, now=datetime(2026, 11, 21, tzinfo=UTC)
    )
    written = body["properties"]["publishingProfile"]
    assert {name: written[name] for name in written if name == "endOfLifeDate"} == sent


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        (None, {}),
        ("2027-05-01T00:00:00+00:00", {"endOfLifeDate": "2027-05-01T00:00:00Z"}),
        ("2026-11-21T00:00:00Z", {}),
        ("2026-01-01T00:00:00Z", {}),
        ("soon", {}),
    ],
    ids=["none", "one to come", "this moment", "one that has passed", "no date"],
)
def test_a_change_of_the_regions_sends_no_end_of_life_that_azure_refuses(
    kept: str | None, sent: dict[str, str]
) -> None:
    profile = {"endOfLifeDate": kept, "replicaCount": 1}
    now, region = datetime(2026, 11, 21, tzinfo=UTC), TargetRegion(name=Region("northeurope"))
    written = bodies.render_regions(profile, [region], Region("westeurope"), now)["properties"][
        "publishingProfile"
    ]
    assert {name: written[name] for name in written if name == "endOfLifeDate"} == sent
    assert written["replicaCount"] == 1
    assert [each["name"] for each in written["targetRegions"]] == ["northeurope", "westeurope"]


@pytest.mark.parametrize("text", ["", "soon", None])
def test_an_end_of_life_that_is_no_date_is_none(text: str | None) -> None:
    assert bodies.end_of_life_of({"endOfLifeDate": text}) is None


TYPES = {
    "container_group": "Microsoft.ContainerInstance/containerGroups",
    "definition": "Microsoft.Compute/galleries/images",
    "exclusion": "Microsoft.Compute/galleries/images/versions",
    "inclusion": "Microsoft.Compute/galleries/images/versions",
    "version": "Microsoft.Compute/galleries/images/versions",
}


@pytest.mark.parametrize("name", sorted(file.stem for file in (FOLDER / "azure").glob("*.json")))
def test_a_golden_body_fits_the_official_schema(name: str) -> None:
    body = json.loads((FOLDER / "azure" / f"{name}.json").read_text("utf-8"))
    (kind,) = [kind for prefix, kind in TYPES.items() if name.startswith(prefix)]
    assert arm_schemas.errors(kind, "payments-api", body) == []


@pytest.mark.parametrize("name", ["inclusion", "exclusion"])
def test_the_official_schema_demands_the_storage_profile_of_a_change(name: str) -> None:
    body = json.loads((FOLDER / "azure" / f"{name}.json").read_text("utf-8"))
    del body["properties"]["storageProfile"]
    (found,) = arm_schemas.errors(TYPES[name], "1.0.0", body)
    assert "'storageProfile' is a required property" in found


def test_an_encrypted_region_stays_encrypted() -> None:
    encryption = {"osDiskImage": {"diskEncryptionSetId": "/subscriptions/x"}}
    region = {"name": "westeurope", "encryption": encryption, "excludeFromLatest": True}
    body = bodies.render_exclusion(
        {"targetRegions": [region]}, excluded=False, end_of_life=None, now=datetime(2026, 11, 21, tzinfo=UTC)
    )
    (sent,) = body["properties"]["publishingProfile"]["targetRegions"]
    assert sent == {"name": "westeurope", "encryption": encryption, "excludeFromLatest": False}


@pytest.mark.parametrize("plan", [None, PLAN])
@pytest.mark.parametrize("security", SecurityType)
@pytest.mark.parametrize("generation", Generation)
def test_what_is_rendered_is_what_is_read(
    generation: Generation, security: SecurityType, plan: PurchasePlan | None
) -> None:
    traits = OsTraits(generation=generation, security_type=security, plan=plan)
    body = bodies.render_definition(ImageName("a"), traits, Region("westeurope"))
    assert ("purchasePlan" in body["properties"]) is (plan is not None)
    assert bodies.os_of(body) == traits
    assert bodies.traits_of(body) == (generation.value, "x64", security.value)


def test_a_security_type_of_others_is_no_trait_of_ours() -> None:
    body = {"properties": {"features": [{"name": "SecurityType", "value": "ConfidentialVM"}]}}
    with pytest.raises(ValueError, match="ConfidentialVM"):
        bodies.os_of(body)


QUARANTINE_ID = bodies.gallery_id(PLACES["quarantine"])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (f"{QUARANTINE_ID}/images/payments-api/versions/1.2.3", "quarantine/payments-api@1.2.3"),
        (f"{QUARANTINE_ID}/images/payments-api/versions/1.2.3".upper(), None),
        (f"{QUARANTINE_ID}/images/payments-api", None),
        (f"{QUARANTINE_ID}2/images/payments-api/versions/1.2.3", None),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm", None),
        ("", ""),
    ],
)
def test_what_a_version_was_made_from_is_named_where_it_is_ours(source: str, name: str | None) -> None:
    properties = {"storageProfile": {"source": {"id": source}}} if source else {}
    found = bodies.named(bodies.source_of(properties), PLACES.values())
    assert found == (source if name is None else name)
