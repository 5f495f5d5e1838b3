"""The contract of Galleries: copies that take their time, what is in `latest`, deletions, fixed traits."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_core.adapters.azure.clients import Clients
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.domain.definitions import Generation, OsTraits, SecurityType, TargetRegion
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, NewGalleryVersion, VersionState
from pipeline_core.services.effects import latest
from tests.contract import machines
from tests.contract.conftest import GALLERY_GROUP, Azure

QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
V1, V2 = GalleryVersion(9, 20261121, 1), GalleryVersion(9, 20261121, 2)
TAGS = {"imagefactory-build": "b.1", "imagefactory-origin": "RedHat:RHEL:9-lvm-gen2:9.6.2025112113"}
TRAITS = OsTraits()
_AT_REST = (VersionState.READY, VersionState.FAILED, VersionState.UPDATE_FAILED)
READER = "d0d0d0d0-0000-4000-8000-000000000004"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWorld:
    """The port, an image that is in both galleries, and the ways of others."""

    galleries: Galleries
    image: ImageName
    add_source: Callable[
        [GalleryVersion, bool], None
    ]  # what Packer made in quarantine; False: being made still
    let_time_pass: Callable[[], None]
    change_slowly: Callable[[], None]  # the next change takes its time
    fail_a_change: Callable[[], None]  # the next change is accepted, and fails at its end

    def find(self, version: GalleryVersion, gallery: GalleryName = LIVE) -> GalleryImageVersion | None:
        return self.galleries.find_version(gallery, self.image, version)

    def get(self, version: GalleryVersion) -> GalleryImageVersion:
        found = self.find(version)
        assert found is not None
        return found

    def copy(self, version: GalleryVersion, **tags: str) -> None:
        self.galleries.begin_copy(
            NewGalleryVersion(
                gallery=LIVE,
                source_gallery=QUARANTINE,
                image=self.image,
                version=version,
                regions=(TargetRegion(name=Region("westeurope")), TargetRegion(name=Region("northeurope"))),
                tags=tags or TAGS,
                end_of_life=datetime(2027, 2, 1, tzinfo=UTC),
            )
        )

    def settle(self, version: GalleryVersion) -> GalleryImageVersion | None:
        """The version once nothing more happens to it."""
        deadline = time.monotonic() + 15
        while True:
            found = self.find(version)
            if found is None or found.state in _AT_REST:
                return found
            assert time.monotonic() < deadline, found
            self.let_time_pass()

    def publish(self, version: GalleryVersion) -> None:
        self.add_source(version, True)
        self.copy(version)
        self.settle(version)

    def include(self, version: GalleryVersion, *, excluded: bool = False) -> None:
        self.galleries.set_excluded(LIVE, self.image, version, excluded=excluded)


@pytest.fixture(params=["memory", "azure"])
def world(request: pytest.FixtureRequest, image: ImageName) -> SimulatedWorld:
    if request.param == "memory":
        clock = ManualClock()
        twin = MemoryGalleries(
            clock=clock,
            names=[QUARANTINE, LIVE],
            replication=timedelta(minutes=4),
            deletion=timedelta(seconds=30),
        )

        def add(version: GalleryVersion, ready: bool) -> None:
            state = VersionState.READY if ready else VersionState.CREATING
            twin.add_version(
                GalleryImageVersion(
                    gallery=QUARANTINE, image=image, version=version, state=state, excluded_from_latest=True
                )
            )

        made = SimulatedWorld(
            galleries=twin,
            image=image,
            add_source=add,
            let_time_pass=lambda: clock.advance(timedelta(minutes=1)),
            change_slowly=lambda: setattr(twin, "updating", timedelta(minutes=2)),
            fail_a_change=lambda: twin.update_failures.append("InternalError: the region was lost"),
        )
    else:
        azure: Azure = request.getfixturevalue("azure")
        request.getfixturevalue("no_faults")
        made = SimulatedWorld(
            galleries=AzureGalleries(azure.clients.compute, azure.clients.publisher, azure.configuration),
            image=image,
            add_source=lambda version, ready: machines.capture(azure, str(image), str(version), wait=ready),
            let_time_pass=lambda: time.sleep(0.05),
            change_slowly=lambda: _fault_of_change(azure, operation_seconds=0.4),
            fail_a_change=lambda: _fault_of_change(
                azure, status=500, code="InternalError", message="the region was lost"
            ),
        )
    for gallery in (QUARANTINE, LIVE):
        made.galleries.ensure_image(gallery, image, TRAITS)
    return made


_ALONE: dict[str, Any] = {
    "add_source": lambda *_: None,
    "let_time_pass": lambda: time.sleep(0.05),
    "change_slowly": lambda: None,
    "fail_a_change": lambda: None,
}


def _fault_of_change(azure: Azure, **fault: object) -> None:
    at = {"method": "PATCH", "path_regex": "/versions/", "in_operation": True}
    azure.arm.ask("POST", "faults", {**at, **fault})


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
    assert late == GalleryImageVersion(
        gallery=LIVE,
        image=world.image,
        version=V1,
        state=VersionState.READY,
        excluded_from_latest=True,
        tags=TAGS,
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


def test_a_change_that_has_not_ended_is_not_believed_and_takes_no_other(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.change_slowly()
    world.include(V1)
    early = world.get(V1)
    assert early.state is VersionState.UPDATING
    assert not latest.is_settled(early, excluded=False)
    assert not latest.is_settled(early, excluded=True)
    with pytest.raises(TransientError) as refused:
        world.include(V1, excluded=True)
    assert refused.value.error_class is ErrorClass.CONFLICT
    late = world.settle(V1)
    assert late is not None
    assert latest.is_settled(late, excluded=False)


def test_a_change_that_fails_after_it_was_accepted_is_found_and_made_again(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.fail_a_change()
    world.include(V1)
    failed = world.settle(V1)
    assert failed is not None
    assert failed.state is VersionState.UPDATE_FAILED
    assert not latest.is_settled(failed, excluded=False)
    world.include(V1)
    again = world.settle(V1)
    assert again is not None
    assert latest.is_settled(again, excluded=False)
    assert dict(again.tags) == TAGS


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
    galleries = AzureGalleries(azure.clients.compute, azure.clients.publisher, azure.configuration)
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    world = SimulatedWorld(galleries=galleries, image=image, **_ALONE)
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
    galleries = AzureGalleries(azure.clients.compute, azure.clients.publisher, azure.configuration)
    with pytest.raises(NotFound, match="ResourceGroupNotFound"):
        galleries.find_version(LIVE, image, V1)


def test_only_the_publishers_identity_writes_versions(azure: Azure, image: ImageName) -> None:
    """The application's own identity may only read versions here, and publishing goes through all the same."""
    azure.arm.ask("POST", "rights", {"client_id": READER, "actions": ["*/read", "*/galleries/images/write"]})
    configuration = replace(azure.configuration, client_id=READER)
    clients = Clients(configuration)
    galleries = AzureGalleries(clients.compute, clients.publisher, configuration)
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    world = SimulatedWorld(galleries=galleries, image=image, **_ALONE)
    world.copy(V1)
    assert world.settle(V1) is not None
    alone = AzureGalleries(clients.compute, clients.compute, configuration)
    with pytest.raises(PermanentError) as refused:
        alone.begin_delete(LIVE, image, V1)
    assert refused.value.error_class is ErrorClass.PERMISSION
    clients.close()
