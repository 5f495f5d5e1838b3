"""A run whose steps have all ended, and that Packer gave up: what Azure finishes afterwards is taken up."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.ports import GalleryImageVersion, GroupState, VersionState
from pipeline_core.wire.report import BuildReport
from simulation.world import QUARANTINE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

SLOW = "the run took longer than its 13500 s and was ended after the last step"


def _gave_up(*, after_steps: bool = True, **changes: object) -> tuple[SimulatedWorld, Build]:
    """A world whose one build has reported that Packer waited too long for the gallery."""
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()
    scenes.lose(made)
    now = made.ports.clock.now()
    fields: dict[str, object] = {
        "build": str(build.id),
        "stage": "build",
        "attempt": 1,
        "succeeded": False,
        "packer": "recorded",
        "started_at": now,
        "ended_at": now,
        "error_class": "network",
        "message": SLOW,
        "after_steps": after_steps,
    }
    report = BuildReport.model_validate({**fields, **changes})
    name = f"{attempts.folder_of(build)}/{attempts.REPORT}"
    made.ports.blobs.create("builds", name, report.to_wire(), media_type="application/json")
    made.ports.containers.set_state(attempts.group_of(build), GroupState.SUCCEEDED)
    scenes.step(made, build)  # the group is deleted
    return made, build


def _show(made: SimulatedWorld, build: Build, state: VersionState, **tags: str) -> None:
    assert build.version is not None
    own = {
        attempts.BUILD_TAG: str(build.id),
        attempts.ATTEMPT_TAG: "1",
        attempts.STAGE_TAG: "build",
        attempts.IMAGE_TAG: "rhel9-base",
    }
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=QUARANTINE,
            image=BASE,
            version=build.version,
            state=state,
            excluded_from_latest=True,
            tags={**own, **tags},
        )
    )


def _now(made: SimulatedWorld, build: Build) -> Build:
    return scenes.stored(made, build.id).value


@pytest.mark.parametrize("state", [VersionState.READY, VersionState.UPDATE_FAILED])
def test_a_version_that_is_there_after_all_is_verified_and_nothing_is_built_again(
    state: VersionState,
) -> None:
    made, build = _gave_up()
    _show(made, build, state)
    scenes.step(made, build)
    after = _now(made, build)
    assert (after.phase, after.attempt, after.version) == (Phase.VERIFYING, 1, build.version)
    assert after.build_result is not None


def test_a_version_that_still_replicates_is_waited_for() -> None:
    made, build = _gave_up()
    _show(made, build, VersionState.CREATING)
    for _ in range(3):
        made.ports.clock.advance(timedelta(hours=1))
        scenes.step(made, build)
        assert _now(made, build) == build
    _show(made, build, VersionState.READY)
    scenes.step(made, build)
    assert _now(made, build).phase is Phase.VERIFYING


def test_a_replication_without_an_end_is_tried_again() -> None:
    made, build = _gave_up()
    _show(made, build, VersionState.CREATING)
    made.ports.clock.advance(timedelta(hours=7))
    scenes.step(made, build)
    assert (_now(made, build).phase, _now(made, build).attempt) == (Phase.BUILDING, 2)


@pytest.mark.parametrize(
    ("state", "tags"),
    [
        (None, {}),
        (VersionState.FAILED, {}),
        (VersionState.READY, {attempts.ATTEMPT_TAG: "2"}),
        (VersionState.READY, {attempts.BUILD_TAG: "rhel9-base.000000000000.1"}),
    ],
    ids=["none", "failed", "of another attempt", "of another build"],
)
def test_without_a_version_of_this_attempt_it_is_tried_again(
    state: VersionState | None, tags: Mapping[str, str]
) -> None:
    made, build = _gave_up()
    if state is not None:
        _show(made, build, state, **tags)
    scenes.step(made, build)
    after = _now(made, build)
    assert (after.phase, after.attempt) == (Phase.BUILDING, 2)
    assert after.failure is not None
    assert (after.failure.error_class, after.failure.who) == (ErrorClass.NETWORK, Owner.AZURE)


def test_a_failed_step_takes_up_nothing() -> None:
    made, build = _gave_up(after_steps=False, error_class="provisioner", message="it broke")
    _show(made, build, VersionState.READY)
    made.drain()
    assert _now(made, build).result is Result.FAILED


def test_the_report_of_the_builder_decides_who_must_act() -> None:
    made, build = _gave_up(
        after_steps=False,
        error_class="provisioner",
        message="step 1 of 8: platform: platform/before/10-update.sh failed in the guest",
        owner="platform",
        scope={"kind": "region", "name": "westeurope"},
    )
    made.drain()
    failure = _now(made, build).failure
    assert failure is not None
    assert (failure.who, failure.is_of_team, str(failure.scope)) == (
        Owner.PLATFORM,
        False,
        "region:westeurope",
    )


@pytest.mark.parametrize(("after_steps", "is_full"), [(True, True), (False, False)])
def test_a_version_that_a_quota_refuses_says_that_the_quarantine_is_full_until_the_next_try(
    after_steps: bool, is_full: bool
) -> None:
    """Before the last step it is a quota of machines, or of what belongs to them."""
    text = "409 OperationNotAllowed: it results in exceeding approved GalleryImageVersion quota"
    made, build = _gave_up(after_steps=after_steps, error_class="quota", message=text)
    scenes.step(made, build)
    tried = scenes.stored(made, build.id).value
    assert (tried.phase, tried.attempt) == (Phase.BUILDING, 2)
    shown = made.factory.queries.build(build.id).conditions
    assert [(each.type, each.reason) for each in shown] == (
        [(ConditionType.GALLERY_FULL, "QuarantineLimit")] if is_full else []
    )
    assert all(text in each.message for each in shown)
    created = made.ports.containers.created
    scenes.until(made, lambda: made.ports.containers.created > created)
    assert made.factory.queries.build(build.id).conditions == ()
