"""The end of a version's life, which only informs, and the limits of a subscription."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.domain.definitions import TargetRegion
from pipeline_core.domain.errors import ErrorClass, NotFound, Owner, TransientError
from pipeline_core.domain.names import ImageName, Region
from pipeline_core.ports import VersionState
from tests.contract import gallery_world, machines
from tests.contract.conftest import Azure
from tests.contract.gallery_world import LIVE, QUARANTINE, TRAITS, V1, V2, SimulatedWorld


@pytest.fixture(params=["memory", "azure"])
def world(request: pytest.FixtureRequest, image: ImageName) -> SimulatedWorld:
    return gallery_world.make(request.param, request, image)


def test_the_mark_and_the_end_of_life_change_together(world: SimulatedWorld) -> None:
    world.publish(V1)
    world.include(V1)
    included = world.settle(V1)
    assert included is not None
    soon = datetime(2027, 1, 1, tzinfo=UTC)
    world.galleries.set_life(replace(included, excluded_from_latest=True, end_of_life=soon))
    retired = world.settle(V1)
    assert retired is not None
    assert (retired.excluded_from_latest, retired.end_of_life) == (True, soon)
    world.galleries.set_life(replace(retired, end_of_life=None))
    cleared = world.settle(V1)
    assert cleared is not None
    assert (cleared.excluded_from_latest, cleared.end_of_life) == (True, None)


def test_an_end_of_life_that_has_passed_is_not_written(world: SimulatedWorld) -> None:
    world.publish(V1)
    found = world.get(V1)
    past = datetime(2001, 1, 1, tzinfo=UTC)
    world.galleries.set_life(replace(found, excluded_from_latest=False, end_of_life=past))
    after = world.settle(V1)
    assert after is not None
    assert (after.excluded_from_latest, after.end_of_life) == (False, found.end_of_life)


def test_a_version_whose_life_has_ended_can_still_be_brought_to_a_region(world: SimulatedWorld) -> None:
    world.publish(V1)
    soon = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    world.galleries.set_life(replace(world.get(V1), end_of_life=soon))
    world.settle(V1)
    while datetime.now(UTC) <= soon:
        time.sleep(0.1)
    world.galleries.set_regions(LIVE, world.image, V1, [TargetRegion(name=Region("westeurope"))])
    world.settle(V1)
    world.galleries.set_excluded(LIVE, world.image, V1, excluded=False)
    after = world.settle(V1)
    assert after is not None
    assert (after.state, after.regions) == (VersionState.READY, ("westeurope",))
    assert (after.excluded_from_latest, after.end_of_life) == (False, soon)


def test_the_life_of_a_missing_version_is_not_found(world: SimulatedWorld) -> None:
    world.publish(V1)
    missing = replace(world.get(V1), version=V2)
    with pytest.raises(NotFound):
        world.galleries.set_life(missing)


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("kind", ["GalleryImage", "GalleryImageVersion"])
def test_a_full_subscription_is_a_missing_quota_and_nobodys_mistake(
    azure: Azure, image: ImageName, kind: str
) -> None:
    """The words of `local/arm/galleries/limits.py`: a build waits for room, and is never called a team's failure."""
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    for gallery in (QUARANTINE, LIVE):
        galleries.ensure_image(gallery, image, TRAITS)
    machines.capture(azure, str(image), str(V1), wait=True)
    text = f"Operation could not be completed as it results in exceeding approved {kind} quota."
    path = "/versions/" if kind == "GalleryImageVersion" else "/images/"
    fault = {
        "method": "PUT",
        "path_regex": path,
        "status": 409,
        "code": "OperationNotAllowed",
        "message": text,
    }
    azure.arm.ask("POST", "faults", fault)
    world = SimulatedWorld(galleries=galleries, image=image, **gallery_world.ALONE)
    ask = {
        "GalleryImageVersion": lambda: world.copy(V1),
        "GalleryImage": lambda: galleries.ensure_image(LIVE, ImageName(f"more-{image}"), TRAITS),
    }
    with pytest.raises(TransientError, match=f"exceeding approved {kind} quota") as refused:
        ask[kind]()
    assert refused.value.error_class is ErrorClass.QUOTA
    assert refused.value.error_class.owner is not Owner.TEAM
