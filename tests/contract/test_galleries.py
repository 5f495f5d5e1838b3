"""The contract of Galleries: copies that take their time, what is in `latest`, deletions, fixed traits."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.domain.definitions import Generation, OsTraits, SecurityType, TargetRegion
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.sources import PurchasePlan
from pipeline_core.ports import GalleryImageVersion, NewGalleryVersion, VersionState
from tests.contract import gallery_world, machines
from tests.contract.conftest import GALLERY_GROUP, Azure
from tests.contract.gallery_world import LIVE, QUARANTINE, TAGS, TRAITS, V1, V2, SimulatedWorld

PLAN = PurchasePlan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")


@pytest.fixture(params=["memory", "azure"])
def world(request: pytest.FixtureRequest, image: ImageName) -> SimulatedWorld:
    return gallery_world.make(request.param, request, image)


def test_a_gallery_tells_its_images_by_name(world: SimulatedWorld) -> None:
    other = ImageName(f"a-{world.image}")
    world.galleries.ensure_image(LIVE, other, TRAITS)
    listed = list(world.galleries.list_images(LIVE))
    assert {world.image, other} <= {*listed}
    assert listed == sorted(listed)
    assert other not in world.galleries.list_images(QUARANTINE)


def test_a_definition_is_made_once(world: SimulatedWorld) -> None:
    world.galleries.ensure_image(LIVE, world.image, TRAITS)
    assert list(world.galleries.list_versions(LIVE, world.image)) == []


@pytest.mark.parametrize(
    "other", [OsTraits(generation=Generation.V1), OsTraits(security_type=SecurityType.STANDARD)]
)
def test_a_definition_with_other_traits_is_refused(world: SimulatedWorld, other: OsTraits) -> None:
    with pytest.raises(PermanentError, match="traits"):
        world.galleries.ensure_image(LIVE, world.image, other)


def test_an_image_definition_tells_its_traits(world: SimulatedWorld) -> None:
    assert world.galleries.find_image(LIVE, world.image) == TRAITS
    assert world.galleries.find_image(LIVE, ImageName("nonesuch")) is None


def test_a_definition_has_the_plan_of_its_source_and_keeps_it(world: SimulatedWorld) -> None:
    sold = ImageName(f"sold-{world.image}")
    traits = replace(TRAITS, plan=PLAN)
    world.galleries.ensure_image(LIVE, sold, traits)
    world.galleries.ensure_image(LIVE, sold, traits)
    assert world.galleries.find_image(LIVE, sold) == traits
    with pytest.raises(PermanentError, match="register the image under a new name"):
        world.galleries.ensure_image(LIVE, sold, TRAITS)
    with pytest.raises(PermanentError, match="was made without a plan"):
        world.galleries.ensure_image(LIVE, world.image, traits)


def test_a_version_tells_the_size_of_its_disk_also_after_a_copy(world: SimulatedWorld) -> None:
    world.publish(V1)
    for gallery in (QUARANTINE, LIVE):
        found = world.galleries.find_version(gallery, world.image, V1)
        assert found is not None
        assert found.disk_gb == 64


def test_a_definition_says_its_traits(world: SimulatedWorld) -> None:
    assert world.galleries.find_image(LIVE, world.image) == TRAITS
    assert world.galleries.find_image(LIVE, ImageName("never-registered")) is None
    plain = OsTraits(generation=Generation.V1, security_type=SecurityType.STANDARD)
    other = ImageName(f"plain-{world.image}")
    world.galleries.ensure_image(LIVE, other, plain)
    assert world.galleries.find_image(LIVE, other) == plain


@pytest.mark.parametrize("security", [SecurityType.TRUSTED_LAUNCH, SecurityType.STANDARD])
def test_a_copy_between_definitions_of_two_security_types(
    world: SimulatedWorld, security: SecurityType
) -> None:
    """Guest state goes nowhere else, and a TrustedLaunch definition takes nothing without it: refused for good."""
    other = ImageName(f"other-{world.image}")
    world.galleries.ensure_image(QUARANTINE, other, TRAITS)
    world.galleries.ensure_image(LIVE, other, replace(TRAITS, security_type=security))
    there = replace(world, image=other)
    there.add_source(V1, True)
    if security is SecurityType.STANDARD:
        there.copy(V1)
        assert there.settle(V1) is not None
        return
    with pytest.raises(PermanentError):
        there.copy(V1)
    assert there.find(V1) is None


def test_what_is_not_there_is_none_and_empty(world: SimulatedWorld) -> None:
    assert world.find(V1) is None
    unknown = ImageName("never-registered")
    assert world.galleries.find_version(LIVE, unknown, V1) is None
    assert list(world.galleries.list_versions(LIVE, unknown)) == []


def test_a_copy_is_creating_then_ready_and_out_of_latest(world: SimulatedWorld) -> None:
    world.add_source(V1, True)
    world.copy(V1)
    early = world.get(V1)
    assert (early.state, early.excluded_from_latest) == (VersionState.CREATING, True)
    late = world.settle(V1)
    assert late is not None
    assert late.published_at is not None
    assert late == GalleryImageVersion(
        gallery=LIVE,
        image=world.image,
        version=V1,
        state=VersionState.READY,
        excluded_from_latest=True,
        tags=TAGS,
        disk_gb=64,
        copied_from=f"{QUARANTINE}/{world.image}@{V1}",
        published_at=late.published_at,
        end_of_life=datetime(2027, 2, 1, tzinfo=UTC),
        regions=("westeurope", "northeurope"),
    )


def test_a_copy_asked_for_twice_is_made_once(world: SimulatedWorld) -> None:
    world.add_source(V1, True)
    world.copy(V1)
    world.copy(V1)
    world.settle(V1)
    world.copy(V1, other="tags")
    assert dict(world.get(V1).tags) == TAGS


def test_a_late_repetition_of_a_copy_leaves_the_version_in_latest(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.include(V1)
    world.settle(V1)
    world.copy(V1)
    assert world.get(V1).excluded_from_latest is False


def test_a_copy_of_nothing_is_not_found(world: SimulatedWorld) -> None:
    with pytest.raises(NotFound):
        world.copy(V1)
    assert world.find(V1) is None


def test_a_copy_of_what_is_being_made_must_wait(world: SimulatedWorld) -> None:
    world.add_source(V1, False)
    with pytest.raises(TransientError) as refused:
        world.copy(V1)
    assert refused.value.error_class is ErrorClass.CONFLICT
    assert world.find(V1) is None


def test_a_copy_needs_its_definition(world: SimulatedWorld) -> None:
    world.add_source(V1, True)
    stranger = ImageName("never-registered")
    new = NewGalleryVersion(
        gallery=LIVE,
        source_gallery=QUARANTINE,
        image=stranger,
        version=V1,
        regions=(TargetRegion(name=Region("westeurope")),),
        tags={},
    )
    with pytest.raises(NotFound):
        world.galleries.begin_copy(new)


def test_a_gallery_that_the_settings_do_not_name_is_not_found(world: SimulatedWorld) -> None:
    with pytest.raises(NotFound, match="settings"):
        world.galleries.find_version(GalleryName("foreign"), world.image, V1)
    with pytest.raises(NotFound, match="settings"):
        world.galleries.ensure_image(GalleryName("foreign"), world.image, TRAITS)


def test_a_gallerys_name_has_no_case(world: SimulatedWorld) -> None:
    world.publish(V1)
    assert world.find(V1, GalleryName("LIVE")) is not None


def test_a_version_goes_into_latest_and_out_again_with_its_tags(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.include(V1)
    included = world.settle(V1)
    assert included is not None
    assert (included.excluded_from_latest, dict(included.tags)) == (False, TAGS)
    world.include(V1)  # again is fine
    world.include(V1, excluded=True)
    excluded = world.settle(V1)
    assert excluded is not None
    assert (excluded.excluded_from_latest, dict(excluded.tags)) == (True, TAGS)


def test_a_version_that_is_being_made_cannot_go_into_latest_yet(world: SimulatedWorld) -> None:
    world.add_source(V1, True)
    world.copy(V1)
    with pytest.raises(TransientError) as refused:
        world.include(V1)
    assert refused.value.error_class is ErrorClass.CONFLICT
    settled = world.settle(V1)
    assert settled is not None
    assert settled.excluded_from_latest is True


def test_a_version_that_is_not_there_cannot_go_into_latest(world: SimulatedWorld) -> None:
    with pytest.raises(NotFound):
        world.include(V1)


def test_a_live_version_loses_a_region_and_gets_it_back_and_all_else_stays(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.include(V1)
    world.settle(V1)
    west, north = (TargetRegion(name=Region(name)) for name in ("westeurope", "northeurope"))
    for wanted, there in (((west,), {"westeurope"}), ((north,), {"westeurope", "northeurope"})):
        world.galleries.set_regions(LIVE, world.image, V1, wanted)  # its own region stays, named or not
        found = world.settle(V1)
        assert found is not None
        assert (found.state, set(found.regions)) == (VersionState.READY, there)
        assert (found.excluded_from_latest, found.is_divided, dict(found.tags)) == (False, False, TAGS)


def test_a_version_in_latest_whose_regions_cannot_be_changed_is_still_whole(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.include(V1)
    world.settle(V1)
    world.fail_a_change()
    world.galleries.set_regions(LIVE, world.image, V1, (TargetRegion(name=Region("westeurope")),))
    found = world.settle(V1)
    assert found is not None
    assert found.state is VersionState.UPDATE_FAILED
    assert found.excluded_from_latest is False


def test_the_regions_of_a_version_that_is_being_made_cannot_be_changed(world: SimulatedWorld) -> None:
    world.add_source(V1, True)
    world.copy(V1)
    with pytest.raises(TransientError) as refused:
        world.galleries.set_regions(LIVE, world.image, V1, (TargetRegion(name=Region("westeurope")),))
    assert refused.value.error_class is ErrorClass.CONFLICT
    world.settle(V1)
    with pytest.raises(NotFound):
        world.galleries.set_regions(LIVE, world.image, V2, (TargetRegion(name=Region("westeurope")),))


def test_a_list_has_every_version(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.publish(V2)
    world.include(V2)
    world.settle(V2)
    listed = {found.version: found for found in world.galleries.list_versions(LIVE, world.image)}
    assert set(listed) == {V1, V2}
    assert [listed[version].excluded_from_latest for version in (V1, V2)] == [True, False]
    assert dict(listed[V1].tags) == TAGS
    assert listed[V1].state is VersionState.READY


def test_a_deleted_version_goes_and_may_be_deleted_again(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.galleries.begin_delete(LIVE, world.image, V1)
    world.galleries.begin_delete(LIVE, world.image, V1)
    assert world.settle(V1) is None
    world.galleries.begin_delete(LIVE, world.image, V1)
    assert list(world.galleries.list_versions(LIVE, world.image)) == []
    world.copy(V1)  # its number is free again
    assert world.settle(V1) is not None


def test_a_copy_on_azure_goes_to_every_region_with_its_end_of_life(azure: Azure, image: ImageName) -> None:
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    world = SimulatedWorld(galleries=galleries, image=image, **gallery_world.ALONE)
    world.copy(V1)
    world.settle(V1)
    world.include(V1)
    world.settle(V1)
    compute = azure.clients.compute(azure.arm.subscription_id)
    found = compute.gallery_image_versions.get(GALLERY_GROUP, "live", str(image), str(V1))
    profile = found.as_dict()["properties"]["publishingProfile"]
    assert [region["name"] for region in profile["targetRegions"]] == ["westeurope", "northeurope"]
    assert [region["excludeFromLatest"] for region in profile["targetRegions"]] == [False, False]
    assert profile["endOfLifeDate"].startswith("2027-02-01")
    assert profile["replicationMode"] == "Full"


@pytest.mark.usefixtures("no_faults")
def test_a_missing_resource_group_is_not_a_missing_version(azure: Azure, image: ImageName) -> None:
    azure.arm.ask(
        "POST", "faults", {"path_regex": "versions", "status": 404, "code": "ResourceGroupNotFound"}
    )
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    with pytest.raises(NotFound, match="ResourceGroupNotFound"):
        galleries.find_version(LIVE, image, V1)


def test_the_operators_change_of_a_security_type_loses_no_version(azure: Azure, image: ImageName) -> None:
    """The procedure of docs/operations.md, Trusted Launch, against the emulator."""
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    standard = replace(TRAITS, security_type=SecurityType.STANDARD)
    galleries.ensure_image(QUARANTINE, image, standard)
    machines.capture(azure, str(image), str(V1), wait=True)
    body = {
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "identifier": {"publisher": "ImageFactory", "offer": str(image), "sku": "golden-V2"},
            "allowUpdateImage": True,
            "features": [
                {"name": "SecurityType", "value": "TrustedLaunchSupported", "startsAtVersion": str(V2)}
            ],
        }
    }
    compute = azure.clients.compute(azure.arm.subscription_id)
    compute.gallery_images.begin_update(
        GALLERY_GROUP, "quarantine", str(image), cast(Any, body), polling_interval=0.02
    ).result()
    assert galleries.find_image(QUARANTINE, image) == TRAITS
    machines.capture(azure, str(image), str(V2), wait=True)
    assert [each.version for each in galleries.list_versions(QUARANTINE, image)] == [V1, V2]


def test_a_copy_names_the_version_that_it_was_made_from(world: SimulatedWorld) -> None:
    world.publish(V1)
    copied = world.galleries.find_version(LIVE, world.image, V1)
    assert copied is not None
    assert copied.copied_from == f"{QUARANTINE}/{world.image}@{V1}"
    (listed,) = world.galleries.list_versions(LIVE, world.image)
    assert listed.copied_from == copied.copied_from
