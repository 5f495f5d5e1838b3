"""The contract of Galleries where Azure is slow or refuses at first: definitions, changes, roles, identities."""

import time
from dataclasses import replace

import pytest

from pipeline_core.adapters.azure.clients import Clients
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.domain.errors import BeingMade, ErrorClass, NotAllowed, ParentNotFound, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import VersionState
from pipeline_core.services.effects import latest
from tests.contract import gallery_world
from tests.contract.conftest import GALLERY_GROUP, Azure
from tests.contract.gallery_world import LIVE, QUARANTINE, TAGS, TRAITS, V1, SimulatedWorld


@pytest.fixture(params=["memory", "azure"])
def world(request: pytest.FixtureRequest, image: ImageName) -> SimulatedWorld:
    return gallery_world.make(request.param, request, image)


def test_a_definition_that_takes_its_time_is_waited_for(world: SimulatedWorld) -> None:
    """Azure accepts it at once, and refuses its versions until it is made."""
    slow = replace(world, image=ImageName(f"{world.image}-slow"))
    world.galleries.ensure_image(QUARANTINE, slow.image, TRAITS)
    slow.add_source(V1, True)
    world.define_slowly()
    with pytest.raises(BeingMade, match="is being made") as early:
        world.galleries.ensure_image(LIVE, slow.image, TRAITS)
    assert early.value.error_class is ErrorClass.CONFLICT
    with pytest.raises(ParentNotFound):
        slow.copy(V1)
    deadline = time.monotonic() + 15
    while not _is_ensured(slow):
        assert time.monotonic() < deadline
        world.let_time_pass()
    slow.copy(V1)
    assert slow.settle(V1) is not None


def _is_ensured(world: SimulatedWorld) -> bool:
    try:
        world.galleries.ensure_image(LIVE, world.image, TRAITS)
    except TransientError:
        return False
    return True


@pytest.mark.usefixtures("no_faults")
def test_a_definition_whose_creation_failed_is_made_again(azure: Azure, image: ImageName) -> None:
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    gallery_world.fault_of_definition(azure, status=500, code="InternalError", message="the region was lost")
    with pytest.raises(BeingMade, match="is being made"):
        galleries.ensure_image(LIVE, image, TRAITS)
    galleries.ensure_image(LIVE, image, TRAITS)
    compute = azure.clients.compute(azure.arm.subscription_id)
    assert compute.gallery_images.get(GALLERY_GROUP, "live", str(image)).provisioning_state == "Succeeded"


@pytest.mark.usefixtures("no_faults")
def test_a_right_that_comes_late_is_told_from_what_is_not_there(azure: Azure, image: ImageName) -> None:
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    refusal = {
        "method": "PUT",
        "path_regex": f"/images/{image}$",
        "status": 403,
        "code": "AuthorizationFailed",
    }
    azure.arm.ask("POST", "faults", {**refusal, "times": 2})
    for _ in range(2):
        with pytest.raises(NotAllowed, match="AuthorizationFailed"):
            galleries.ensure_image(LIVE, image, TRAITS)
    galleries.ensure_image(LIVE, image, TRAITS)


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_identity_that_is_not_ready_is_a_token_that_is_missing(
    azure: Azure, image: ImageName, status: int
) -> None:
    """As in the first minute of a host: no token, so no request, and never a refusal that lasts."""
    clients = Clients(azure.configuration)
    galleries = AzureGalleries(clients.compute, clients.publisher, clients.cleaner, azure.configuration)
    azure.arm.ask("POST", "faults", {"path_regex": "/msi/token", "status": status, "times": 50})
    with pytest.raises(TransientError) as early:
        galleries.ensure_image(LIVE, image, TRAITS)
    assert early.value.error_class is ErrorClass.TOKEN
    azure.arm.ask("DELETE", "faults")
    if status >= 500:  # MSAL keeps such an answer for a minute, and asks again then
        clients.close()
        clients = Clients(azure.configuration)
    AzureGalleries(clients.compute, clients.publisher, clients.cleaner, azure.configuration).ensure_image(
        LIVE, image, TRAITS
    )
    clients.close()


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
