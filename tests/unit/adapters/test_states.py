"""Truth tables: what ARM's words about groups and versions mean."""

from typing import Any

import pytest

from pipeline_core.adapters.azure import gallery_bodies as bodies
from pipeline_core.adapters.azure.containers import ended, explain, group_state
from pipeline_core.adapters.azure.galleries import version_state
from pipeline_core.ports import GroupState, VersionState

S, R, OK, F = GroupState.STARTING, GroupState.RUNNING, GroupState.SUCCEEDED, GroupState.FAILED


@pytest.mark.parametrize(
    ("provisioning", "group", "container", "exit_code", "wanted"),
    [
        ("", "", "", None, S),
        ("Pending", "", "", None, S),
        ("Pending", "Pending", "", None, S),
        ("Creating", "Pending", "Waiting", None, S),
        ("Succeeded", "Pending", "Waiting", None, S),
        ("Succeeded", "Running", "Waiting", None, S),
        ("Succeeded", "Running", "Running", None, R),
        ("Creating", "Running", "Running", None, R),
        ("Unhealthy", "Running", "Running", None, R),
        ("Repairing", "Running", "Running", None, R),
        ("Succeeded", "Succeeded", "Terminated", 0, OK),
        ("Succeeded", "Running", "Terminated", 0, OK),
        ("Succeeded", "Failed", "Terminated", 1, F),
        ("Succeeded", "Running", "Terminated", 137, F),
        ("Succeeded", "Stopped", "Terminated", 143, F),
        ("Succeeded", "Failed", "Terminated", None, F),
        ("Failed", "", "", None, F),
        ("Failed", "Pending", "Waiting", None, F),
        ("Failed", "Running", "Running", None, F),
        ("Succeeded", "Stopped", "", None, F),
        ("Succeeded", "Failed", "", None, F),
        ("Succeeded", "Succeeded", "", None, F),
    ],
)
def test_the_state_of_a_group(
    provisioning: str, group: str, container: str, exit_code: int | None, wanted: GroupState
) -> None:
    found = group_state(provisioning=provisioning, group=group, container=container, exit_code=exit_code)
    assert found is wanted


EXITED = {"state": "Terminated", "exitCode": 1, "detailStatus": "Error"}
LOOP = {"state": "Waiting", "detailStatus": "CrashLoopBackOff: Back-off restarting failed"}


@pytest.mark.parametrize(
    ("view", "code", "restarts", "wanted"),
    [
        pytest.param({}, None, False, S, id="nothing yet"),
        pytest.param({"currentState": {"state": "Waiting"}}, None, False, S, id="not begun"),
        pytest.param({"currentState": EXITED}, 1, False, F, id="ended"),
        pytest.param({"currentState": LOOP, "previousState": EXITED}, 1, True, F, id="starts again"),
        pytest.param(
            {"currentState": LOOP, "previousState": {**EXITED, "exitCode": 0}}, 0, True, OK, id="moved"
        ),
        pytest.param(
            {"currentState": {"state": "Running"}, "previousState": EXITED}, None, False, R, id="runs again"
        ),
        pytest.param(
            {"currentState": {**EXITED, "exitCode": 0}, "previousState": EXITED},
            0,
            False,
            OK,
            id="second run",
        ),
    ],
)
def test_a_container_that_azure_starts_again_has_ended(
    view: dict[str, Any], code: int | None, restarts: bool, wanted: GroupState
) -> None:
    assert ended(view) == (code, restarts)
    container = (view.get("currentState") or {}).get("state", "")
    found = group_state(
        provisioning="Succeeded", group="Running", container=container, exit_code=code, restarts=restarts
    )
    assert found is wanted


def _event(name: str, message: str, second: int, kind: str = "Warning") -> dict[str, Any]:
    stamp = f"2026-11-21T12:00:{second:02}Z"
    return {"name": name, "message": message, "type": kind, "count": 3, "lastTimestamp": stamp}


PULLING = _event("Pulling", 'pulling image "a/b"', 19, "Normal")
NO_IMAGE = _event("Failed", 'Failed to pull image "a/b": image not found', 30)
BACK_OFF = _event("BackOff", 'Back-off pulling image "a/b"', 16, "Normal")
NO_ADDRESS = _event("Failed", "SubnetIsFull: Subnet snet does not have enough capacity", 40)


@pytest.mark.parametrize(
    ("container", "group", "wanted"),
    [
        pytest.param({}, {}, "", id="nothing is said"),
        pytest.param({"currentState": {**EXITED, "exitCode": 137}}, {}, "exit code 137", id="an exit code"),
        pytest.param(
            {"currentState": {**EXITED, "exitCode": 137, "detailStatus": "OOMKilled"}},
            {},
            "exit code 137 | OOMKilled",
            id="and what it means",
        ),
        pytest.param(
            {"currentState": LOOP, "previousState": EXITED},
            {},
            "exit code 1 | CrashLoopBackOff: Back-off restarting failed",
            id="starts again",
        ),
        pytest.param(
            {"currentState": {"state": "Waiting"}, "events": [PULLING, NO_IMAGE, BACK_OFF]},
            {},
            'Failed: Failed to pull image "a/b": image not found | BackOff: Back-off pulling image "a/b"',
            id="an image",
        ),
        pytest.param({}, {"events": [NO_ADDRESS]}, f"Failed: {NO_ADDRESS['message']}", id="a subnet"),
        pytest.param({"events": [PULLING]}, {"state": "Pending"}, "", id="all is well"),
        pytest.param({"events": [_event("Failed", "a\n  b", 1)]}, {}, "Failed: a b", id="one line"),
        pytest.param({"events": [_event("Failed", "", 1)]}, {}, "Failed", id="no message"),
    ],
)
def test_why_a_group_failed_or_does_not_start(
    container: dict[str, Any], group: dict[str, Any], wanted: str
) -> None:
    assert explain(container, group) == wanted


def test_the_explanation_is_bounded_and_names_the_newest_events() -> None:
    events = [_event("Failed", f"{number} " + "x" * 400, number) for number in range(9)]
    told = explain({"events": events}, {})
    assert told.startswith("Failed: 8 x")
    assert len(told) == 1000


@pytest.mark.parametrize(
    ("provisioning", "replication", "wanted"),
    [
        ("Creating", "Unknown", VersionState.CREATING),
        ("Creating", "InProgress", VersionState.CREATING),
        ("Creating", "Completed", VersionState.CREATING),
        ("Updating", "Completed", VersionState.UPDATING),
        ("Updating", "InProgress", VersionState.UPDATING),
        ("Updating", None, VersionState.UPDATING),
        ("Updating", "Failed", VersionState.FAILED),
        ("Migrating", "Completed", VersionState.CREATING),
        ("Succeeded", "InProgress", VersionState.CREATING),
        ("Succeeded", "Unknown", VersionState.CREATING),
        ("Succeeded", "Completed", VersionState.READY),
        ("Succeeded", None, VersionState.READY),
        ("Creating", None, VersionState.CREATING),
        ("", None, VersionState.CREATING),
        ("Failed", "Completed", VersionState.UPDATE_FAILED),
        ("Canceled", "Completed", VersionState.UPDATE_FAILED),
        ("Failed", "InProgress", VersionState.FAILED),
        ("Failed", None, VersionState.FAILED),
        ("Canceled", None, VersionState.FAILED),
        ("Succeeded", "Failed", VersionState.FAILED),
        ("Creating", "Failed", VersionState.FAILED),
        ("Deleting", "Completed", VersionState.DELETING),
        ("Deleting", "Failed", VersionState.DELETING),
    ],
)
def test_the_state_of_a_version(provisioning: str, replication: str | None, wanted: VersionState) -> None:
    assert version_state(provisioning, replication) is wanted


def _profile(whole: bool | None, *regions: bool | None) -> dict[str, object]:
    return {
        "excludeFromLatest": whole,
        "targetRegions": [{"name": f"r{n}", "excludeFromLatest": each} for n, each in enumerate(regions)],
    }


@pytest.mark.parametrize(
    ("profile", "excluded", "all_in", "all_out"),
    [
        ({}, False, True, False),
        (_profile(True, True, True), True, False, True),
        (_profile(False, False, False), False, True, False),
        (_profile(None, None), False, True, False),
        (_profile(True, None), True, False, False),
        (_profile(True, False), True, False, False),
        (_profile(False, True, True), True, False, False),
        (_profile(False, True, False), False, False, False),
    ],
)
def test_what_is_out_of_latest(
    profile: dict[str, object], excluded: bool, all_in: bool, all_out: bool
) -> None:
    assert bodies.is_excluded(profile) is excluded
    assert bodies.is_marked(profile, excluded=False) is all_in
    assert bodies.is_marked(profile, excluded=True) is all_out
    assert bodies.is_divided(profile) is not (all_in or all_out)


def test_a_failure_names_its_regions_and_reasons() -> None:
    summary = [
        {"region": "West Europe", "state": "Completed", "details": ""},
        {"region": "North Europe", "state": "Failed", "details": "no room"},
        {"region": "East US", "state": "Failed"},
    ]
    failed = {"aggregatedState": "Failed", "summary": summary}
    assert bodies.failures_of(failed) == "North Europe: no room; East US: no reason was given"
    assert bodies.failed_regions(failed) == ("northeurope", "eastus")
    assert bodies.failures_of({"summary": summary[:1]}) == ""
    assert bodies.failed_regions({"summary": summary[:1]}) == ()


@pytest.mark.parametrize(
    ("provisioning", "replication", "is_excluded", "state"),
    [
        ("Failed", "Failed", True, VersionState.FAILED),
        ("Failed", "Failed", False, VersionState.UPDATE_FAILED),
        ("Succeeded", "Failed", False, VersionState.UPDATE_FAILED),
        ("Failed", "InProgress", False, VersionState.UPDATE_FAILED),
        ("Deleting", "Failed", False, VersionState.DELETING),
    ],
)
def test_a_version_in_latest_was_whole_so_a_further_region_has_failed(
    provisioning: str, replication: str, is_excluded: bool, state: VersionState
) -> None:
    assert version_state(provisioning, replication, is_excluded=is_excluded) is state
