"""The contract of Containers: states, deletions, and a repeated create that restarts."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.azure.containers import AzureContainers
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.ports import ContainerGroup, Containers, GroupState, NewContainerGroup
from tests.contract.conftest import BUILD_GROUP, Azure

TAGS = {"imagefactory-build": "payments-api.3fa9c1d20b77.1", "imagefactory-stage": "build"}
ENDED = (GroupState.SUCCEEDED, GroupState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """The port; `play` lets the container do what its IF_JOB says, `starts` counts how often it was started."""

    containers: Containers
    play: Callable[[str], None]
    starts: Callable[[str], int]
    limit: int

    def new(self, job: str = "exit:0", **tags: str) -> NewContainerGroup:
        name = f"if-build-{uuid.uuid4().hex[:12]}"
        return NewContainerGroup(name=name, environment={"IF_JOB": job}, tags=tags or TAGS)

    def create(self, job: str = "exit:0", **tags: str) -> str:
        new = self.new(job, **tags)
        self.containers.create_group(new)
        return new.name

    def wait(self, name: str, *states: GroupState) -> ContainerGroup:
        deadline = time.monotonic() + 15
        self.play(name)
        while True:
            found = self.containers.find_group(name)
            assert found is not None
            if found.state in states:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def wait_gone(self, name: str) -> None:
        deadline = time.monotonic() + 15
        while self.containers.find_group(name) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(params=["memory", "azure"])
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    if request.param == "memory":
        twin = MemoryContainers(clock=ManualClock(), limit=8)

        def play(name: str) -> None:
            word, _, code = twin.wanted(name).environment["IF_JOB"].partition(":")
            if word != "exit":
                twin.set_state(name, GroupState.RUNNING)
                return
            state = GroupState.SUCCEEDED if code == "0" else GroupState.FAILED
            twin.set_state(name, state, exit_code=int(code), detail="" if code == "0" else "Error")

        yield Yard(containers=twin, play=play, starts=twin.starts, limit=8)
        return
    azure: Azure = request.getfixturevalue("azure")
    groups = azure.clients.containers.container_groups

    def starts(name: str) -> int:
        view: Any = groups.get(BUILD_GROUP, name).containers[0].instance_view
        return 1 + int(view.restart_count)

    yield Yard(
        containers=AzureContainers(azure.clients.containers, azure.configuration),
        play=lambda _: None,
        starts=starts,
        limit=8,
    )
    left = [str(group.name) for group in groups.list_by_resource_group(BUILD_GROUP)]
    for name in left:
        groups.begin_delete(BUILD_GROUP, name, polling=False)
    deadline = time.monotonic() + 15
    while list(groups.list_by_resource_group(BUILD_GROUP)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_group_that_is_not_there_is_none(yard: Yard) -> None:
    assert yard.containers.find_group("if-build-absent") is None


def test_exit_code_zero_is_success(yard: Yard) -> None:
    group = yard.wait(yard.create("exit:0"), *ENDED)
    assert (group.state, group.exit_code) == (GroupState.SUCCEEDED, 0)
    assert dict(group.tags) == TAGS


def test_any_other_exit_code_is_failure_with_a_reason(yard: Yard) -> None:
    group = yard.wait(yard.create("exit:3"), *ENDED)
    assert (group.state, group.exit_code) == (GroupState.FAILED, 3)
    assert group.detail


def test_a_container_that_azure_will_start_again_has_ended(azure: Azure, yard: Yard) -> None:
    """The emulator starts it again after a moment, as Azure may. Until then only `previousState` has the code."""
    containers = AzureContainers(azure.clients.containers, azure.configuration)
    new = yard.new("exit:137")
    containers.create_group(new)
    deadline = time.monotonic() + 15
    while True:
        view: Any = (
            azure.clients.containers.container_groups.get(BUILD_GROUP, new.name).containers[0].instance_view
        )
        found = containers.find_group(new.name)
        if found is not None and view is not None and view.previous_state is not None:
            break
        assert time.monotonic() < deadline, found
    assert (found.state, found.exit_code) == (GroupState.FAILED, 137)
    assert found.detail.startswith("exit code 137")


def test_a_group_runs_until_its_container_ends(yard: Yard) -> None:
    name = yard.create("sleep")
    group = yard.wait(name, GroupState.RUNNING)
    assert group.exit_code is None
    yard.containers.delete_group(name)
    yard.wait_gone(name)


def test_a_new_group_has_not_ended(yard: Yard) -> None:
    found = yard.containers.find_group(yard.create("sleep"))
    assert found is not None
    assert found.state in (GroupState.STARTING, GroupState.RUNNING)


def test_a_group_may_be_deleted_twice_and_when_it_is_gone(yard: Yard) -> None:
    name = yard.create("exit:0")
    yard.wait(name, *ENDED)
    yard.containers.delete_group(name)
    yard.containers.delete_group(name)
    yard.wait_gone(name)
    yard.containers.delete_group(name)
    yard.containers.delete_group("if-build-absent")


def test_a_repeated_create_restarts_the_container(yard: Yard) -> None:
    new = yard.new("exit:0")
    yard.containers.create_group(new)
    yard.wait(new.name, *ENDED)
    assert yard.starts(new.name) == 1
    yard.containers.create_group(new)
    yard.wait(new.name, *ENDED)
    assert yard.starts(new.name) == 2


def test_a_group_that_has_ended_cannot_be_changed(yard: Yard) -> None:
    new = yard.new("exit:0")
    yard.containers.create_group(new)
    yard.wait(new.name, *ENDED)
    with pytest.raises(PermanentError):
        yard.containers.create_group(replace(new, environment={"IF_JOB": "exit:3"}))
    assert yard.starts(new.name) == 1


def test_a_used_up_quota_is_transient(yard: Yard) -> None:
    for _ in range(yard.limit):
        yard.create("sleep")
    with pytest.raises(TransientError) as refused:
        yard.create("sleep")
    assert refused.value.error_class is ErrorClass.QUOTA


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize(
    ("status", "code", "message", "wanted"),
    [
        (409, "ContainerGroupTransitioning", "still transitioning", ErrorClass.CONFLICT),
        (
            409,
            "ServiceUnavailable",
            "The requested resource is not available in the location 'westeurope' at this moment.",
            ErrorClass.CAPACITY,
        ),
        (429, "TooManyRequests", "throttled", ErrorClass.THROTTLED),
    ],
)
def test_azures_refusal_of_a_group_is_classified(
    azure: Azure, yard: Yard, status: int, code: str, message: str, wanted: ErrorClass
) -> None:
    containers = AzureContainers(azure.clients.containers, azure.configuration)
    fault = {
        "method": "PUT",
        "path_regex": "containerGroups",
        "status": status,
        "code": code,
        "message": message,
    }
    azure.arm.ask("POST", "faults", fault)
    new = yard.new()
    with pytest.raises(TransientError, match=new.name) as refused:
        containers.create_group(new)
    assert refused.value.error_class is wanted
    assert containers.find_group(new.name) is None


@pytest.mark.usefixtures("no_faults")
def test_a_deletion_too_many_is_throttled_and_says_for_how_long(azure: Azure, yard: Yard) -> None:
    containers = AzureContainers(azure.clients.containers, azure.configuration)
    new = yard.new("sleep")
    containers.create_group(new)
    fault = {"method": "DELETE", "path_regex": "containerGroups", "status": 429, "code": "TooManyRequests"}
    azure.arm.ask("POST", "faults", {**fault, "retry_after": 120})
    with pytest.raises(TransientError, match=new.name) as refused:
        containers.delete_group(new.name)
    assert (refused.value.error_class, refused.value.retry_after) == (
        ErrorClass.THROTTLED,
        timedelta(minutes=2),
    )
    assert containers.find_group(new.name) is not None


def test_the_twin_counts_deletions_as_the_region_does() -> None:
    clock = ManualClock()
    twin = MemoryContainers(
        clock=clock, deletion=timedelta(minutes=1), deletes_per_hour=3, deletes_per_burst=2
    )
    for number in range(4):
        twin.create_group(NewContainerGroup(name=f"if-{number}", environment={}, tags=TAGS))
    twin.delete_group("if-absent")  # does not count
    twin.delete_group("if-0")
    twin.delete_group("if-0")  # it is being deleted, and that counts
    with pytest.raises(TransientError) as refused:
        twin.delete_group("if-1")
    assert (refused.value.error_class, refused.value.retry_after) == (
        ErrorClass.THROTTLED,
        timedelta(minutes=5),
    )
    clock.advance(timedelta(minutes=5))
    twin.delete_group("if-1")
    with pytest.raises(TransientError) as refused:
        twin.delete_group("if-2")
    assert refused.value.retry_after == timedelta(minutes=55)
    assert (twin.refused, len(twin.asked["if-0"])) == (2, 2)


@pytest.mark.usefixtures("no_faults")
def test_a_missing_resource_group_is_not_a_missing_group(azure: Azure) -> None:
    """Slots are given back on a 404: one that speaks of the resource group must not look like it."""
    azure.arm.ask(
        "POST", "faults", {"path_regex": "containerGroups", "status": 404, "code": "ResourceGroupNotFound"}
    )
    with pytest.raises(NotFound, match="ResourceGroupNotFound"):
        AzureContainers(azure.clients.containers, azure.configuration).find_group("if-build-x")
