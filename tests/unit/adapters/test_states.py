"""Truth tables: what ARM's words about groups and versions mean."""

import pytest

from pipeline_core.adapters.azure import gallery_bodies as bodies
from pipeline_core.adapters.azure.containers import group_state
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


@pytest.mark.parametrize(
    ("provisioning", "replication", "wanted"),
    [
        ("Creating", "Unknown", VersionState.CREATING),
        ("Creating", "InProgress", VersionState.CREATING),
        ("Creating", "Completed", VersionState.CREATING),
        ("Updating", "Completed", VersionState.CREATING),
        ("Migrating", "Completed", VersionState.CREATING),
        ("Succeeded", "InProgress", VersionState.CREATING),
        ("Succeeded", "Unknown", VersionState.CREATING),
        ("Succeeded", "Completed", VersionState.READY),
        ("Succeeded", None, VersionState.READY),
        ("Creating", None, VersionState.CREATING),
        ("", None, VersionState.CREATING),
        ("Failed", "Completed", VersionState.FAILED),
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


def test_a_failure_names_its_regions_and_reasons() -> None:
    summary = [
        {"region": "West Europe", "state": "Completed", "details": ""},
        {"region": "North Europe", "state": "Failed", "details": "no room"},
        {"region": "East US", "state": "Failed"},
    ]
    told = bodies.failed_regions({"aggregatedState": "Failed", "summary": summary})
    assert told == "North Europe: no room; East US: no reason was given"
    assert bodies.failed_regions({"summary": summary[:1]}) == ""
