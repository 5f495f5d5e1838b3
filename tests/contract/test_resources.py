"""The contract of Resources: what carries our tag is listed and can be deleted; the rest is not seen."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipeline_core.adapters.azure.resources import AzureResources
from pipeline_core.adapters.memory.resources import MemoryResources
from pipeline_core.domain.errors import PermanentError
from pipeline_core.ports import Resources, TaggedResource
from tests.contract import machines
from tests.contract.conftest import BUILD_GROUP, Azure

MACHINE = "Microsoft.Compute/virtualMachines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The port, and a way to leave a machine with tags."""

    resources: Resources
    leave: Callable[[dict[str, str]], str]

    def ids(self) -> set[str]:
        return {each.id for each in self.resources.list_build_resources()}


@pytest.fixture(params=["memory", "azure"])
def ground(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        twin = MemoryResources()

        def leave(tags: dict[str, str]) -> str:
            name = f"/subscriptions/s/resourceGroups/rg/providers/{MACHINE}/{uuid.uuid4().hex}"
            twin.add(TaggedResource(id=name, type=MACHINE, tags=tags))
            return name

        return Ground(resources=twin, leave=leave)
    azure: Azure = request.getfixturevalue("azure")
    return Ground(
        resources=AzureResources(azure.clients.resources, BUILD_GROUP),
        leave=lambda tags: machines.create(azure, **tags),
    )


def test_only_what_carries_our_tag_is_listed_with_all_its_tags(ground: Ground) -> None:
    tags = {"imagefactory-build": "b.1", "imagefactory-lease": "2026-11-21T10:00:00Z"}
    ours, theirs = ground.leave(tags), ground.leave({"owner": "somebody"})
    found = {each.id: each for each in ground.resources.list_build_resources()}
    assert ours in found
    assert theirs not in found
    assert (found[ours].type, dict(found[ours].tags)) == (MACHINE, tags)


def test_a_deleted_resource_goes_and_may_be_deleted_again(ground: Ground) -> None:
    name = ground.leave({"imagefactory-build": "b.2"})
    (resource,) = [each for each in ground.resources.list_build_resources() if each.id == name]
    ground.resources.begin_delete(resource)
    deadline = time.monotonic() + 15
    while name in ground.ids():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ground.resources.begin_delete(resource)


def test_a_type_that_is_not_known_is_told_and_not_guessed(azure: Azure) -> None:
    resource = TaggedResource(id="/subscriptions/s/x", type="Microsoft.Strange/things")
    with pytest.raises(PermanentError, match=r"Microsoft\.Strange/things"):
        AzureResources(azure.clients.resources, BUILD_GROUP).begin_delete(resource)
