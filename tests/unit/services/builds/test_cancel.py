"""Cancel: at any stage a build that was stopped leaves nothing behind, and its input is blocked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
from simulation.world import LIVE, QUARANTINE
from tests.unit.services import scenes, stops
from tests.unit.services.scenes import ADMIN, BASE, ML

MEMBER = scenes.principal("ml")


@pytest.mark.parametrize("stage", stops.STAGES)
def test_a_build_is_cancelled_at_any_stage_and_leaves_nothing_behind(stage: str) -> None:
    made = stops.STAGES[stage]()
    build = scenes.active(made, BASE).value
    asked = stops.cancel(made, build)
    assert asked.is_finished == (stage == "pending")
    made.drain()
    stops.demand_cancelled(made, build)


def test_a_pending_build_ends_at_once_and_is_taken_off_the_list() -> None:
    made = stops.pending()
    build = scenes.active(made, BASE).value
    assert stops.cancel(made, build).result is Result.CANCELLED
    assert stops.left_of(made, build) == []


@pytest.mark.parametrize("stage", stops.STAGES)
def test_a_cancelled_input_is_blocked_until_a_person_asks_again(stage: str) -> None:
    made = stops.STAGES[stage]()
    made.ports.galleries.replication = timedelta(minutes=3)
    build = scenes.active(made, BASE).value
    stops.cancel(made, build)
    made.drain()
    assert scenes.rest_of(made, BASE) == "blocked"
    assert len(scenes.builds(made, BASE)) == 1
    made.factory.requests.request(BASE, ADMIN, "now it is right", None)
    made.drain()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.build != build.id


def test_who_stopped_it_when_and_why_is_recorded_with_the_build_and_in_the_journal() -> None:
    made = stops.building()
    build = scenes.active(made, BASE).value
    now = made.ports.clock.now()
    stops.cancel(made, build, "wrong licence")
    asked = scenes.stored(made, build.id).value
    assert asked.cancel is not None
    assert (asked.cancel.actor, asked.cancel.at, asked.cancel.reason) == (ADMIN.name, now, "wrong licence")
    assert (asked.phase, asked.seq) == (build.phase, build.seq)
    entry = scenes.entry_of(made, BASE, Event.CANCEL_REQUESTED)
    assert (entry.actor, entry.build, entry.detail) == (ADMIN.name, build.id, "wrong licence")
    made.drain()
    assert scenes.events(made, BASE)[-2:] == [Event.CANCEL_REQUESTED, Event.CANCELLED]


@pytest.mark.parametrize("stage", ["pending", "building"])
def test_asking_again_records_nothing_more(stage: str) -> None:
    made = stops.STAGES[stage]()
    build = scenes.active(made, BASE).value
    stops.cancel(made, build)
    rows = made.ports.tables.rows("images")
    stops.cancel(made, build, "another reason")
    assert made.ports.tables.rows("images") == rows
    made.drain()
    assert stops.cancel(made, build).result is Result.CANCELLED
    assert scenes.events(made, BASE).count(Event.CANCEL_REQUESTED) == 1
    assert made.ports.queues.names() == []


def test_a_build_that_has_ended_otherwise_cannot_be_cancelled() -> None:
    made = scenes.settled(stops.ONE)
    (build,) = scenes.builds(made, BASE)
    rows = made.ports.tables.rows("images")
    with pytest.raises(PermanentError, match="ended as succeeded before it could be cancelled") as raised:
        stops.cancel(made, build)
    assert raised.value.error_class is ErrorClass.CONFLICT
    assert made.ports.tables.rows("images") == rows
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


def test_an_unknown_build_cannot_be_cancelled() -> None:
    made = scenes.registered(stops.ONE)
    with pytest.raises(NotFound):
        made.factory.canceller.cancel(BuildId("rhel9-base.000000000000.1"), ADMIN, "")


def test_a_team_cancels_its_own_builds_and_no_others() -> None:
    made = scenes.settled(stops.ONE)
    scenes.register_for(made, str(ML), "rhel9-base", "ml")
    scenes.look(made, ML)
    build = scenes.active(made, ML).value
    rows = made.ports.tables.rows("images")
    with pytest.raises(PermanentError, match="belongs to team ml") as raised:
        made.factory.canceller.cancel(build.id, scenes.principal("payments"), "")
    assert raised.value.error_class is ErrorClass.PERMISSION
    assert made.ports.tables.rows("images") == rows
    assert made.factory.canceller.cancel(build.id, MEMBER, "").result is Result.CANCELLED


def test_a_version_leaves_latest_before_it_is_deleted() -> None:
    made = stops.included()
    galleries = made.ports.galleries
    build = scenes.active(made, BASE).value
    scenes.lose(made)
    assert galleries.latest(LIVE, BASE) == build.version
    stops.cancel(made, build)
    scenes.step(made, build)
    (shown,) = galleries.list_versions(LIVE, BASE)
    assert (shown.state, shown.excluded_from_latest) == (VersionState.READY, True)
    made.drain()
    stops.demand_cancelled(made, build)


@pytest.mark.parametrize("is_done", [False, True], ids=["before the call", "after the call"])
def test_a_process_that_dies_as_a_version_leaves_latest_blames_nobody(
    is_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stops.included()
    build = scenes.active(made, BASE).value
    scenes.lose(made)
    stops.cancel(made, build)
    scenes.die_at_exclusion(monkeypatch, made, is_done=is_done)
    with pytest.raises(scenes.Died):
        scenes.step(made, build)
    made.factory.galleries.observe()
    head = scenes.head(made, BASE)
    assert (head.taken_out, head.doubt) == ((), None)
    assert Event.EXCLUDED not in scenes.events(made, BASE)
    scenes.step(made, build, redelivered=True)
    made.drain()
    stops.demand_cancelled(made, build)


def test_waiting_for_deletions_writes_no_row_and_keeps_the_slot() -> None:
    made = stops.building()
    made.ports.containers.deletion = timedelta(minutes=20)
    build = scenes.active(made, BASE).value
    stops.cancel(made, build)
    rows = made.ports.tables.rows("images")
    for _ in range(5):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(minutes=3))
        assert made.ports.tables.rows("images") == rows
        assert scenes.capacity(made).holds(build.id)
    made.drain()
    stops.demand_cancelled(made, build)


def test_both_groups_of_a_build_that_is_verified_are_waited_for() -> None:
    made = stops.building()
    made.ports.containers.deletion = timedelta(minutes=20)
    build = scenes.active(made, BASE).value
    scenes.until(made, lambda: len(stops.groups(made, build)) == 2)
    (earlier,) = stops.groups(made, build, stage="build")
    made.ports.containers.deletion = timedelta(0)
    stops.cancel(made, build)
    scenes.step(made, scenes.stored(made, build.id).value)
    made.ports.clock.advance(timedelta(minutes=1))
    scenes.step(made, scenes.stored(made, build.id).value)
    assert stops.groups(made, build) == [earlier]
    assert scenes.capacity(made).holds(build.id)
    made.drain()
    stops.demand_cancelled(made, build)


def test_versions_that_earlier_attempts_left_in_quarantine_go_too() -> None:
    made = stops.building()
    build = scenes.active(made, BASE).value
    assert build.version is not None
    ours = {"imagefactory-build": str(build.id)}
    for sequence, tags in ((901, ours), (902, {"imagefactory-build": "rhel9-base.000000000000.1"})):
        version = replace(build.version, sequence=sequence)
        made.ports.galleries.add_version(_quarantined(version, tags))
    stops.cancel(made, build)
    made.drain()
    (left,) = made.ports.galleries.list_versions(QUARANTINE, BASE)
    assert left.version.sequence == 902


def test_a_live_version_of_another_origin_under_the_same_number_is_left_alone() -> None:
    made = stops.verifying()
    build = scenes.active(made, BASE).value
    assert build.version is not None
    foreign = replace(_quarantined(build.version, {"made-by": "hand"}), gallery=LIVE)
    made.ports.galleries.add_version(foreign)
    made.ports.galleries.replication = timedelta(0)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    stops.cancel(made, build)
    made.drain()
    assert scenes.stored(made, build.id).value.is_finished
    assert made.ports.galleries.list_versions(LIVE, BASE) == [foreign]
    assert made.ports.galleries.list_versions(QUARANTINE, BASE) == []


def test_a_live_version_whose_mark_changes_for_long_is_looked_at_less_and_less_often() -> None:
    """A gallery may change a mark for an hour. A step that comes twice doubles the looks that follow."""
    made = stops.verifying()
    made.ports.galleries.replication, made.ports.galleries.updating = timedelta(0), timedelta(minutes=40)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    galleries = made.ports.galleries
    scenes.until(
        made, lambda: any(v.state is VersionState.UPDATING for v in galleries.list_versions(LIVE, BASE))
    )
    stops.cancel(made, build)
    before = made.deliveries
    made.drain()
    stops.demand_cancelled(made, build)
    assert made.deliveries - before < 60  # 484 with a look each ten seconds


def test_a_group_that_may_not_be_deleted_keeps_its_slot_until_it_may() -> None:
    made = stops.building()
    build = scenes.active(made, BASE).value
    error = PermanentError(ErrorClass.PERMISSION, "the identity may not delete groups")
    containers = scenes.Failing(inner=made.ports.containers, name="delete_group", errors=[error])
    stops.rewired(made, containers=containers)
    stops.cancel(made, build)
    scenes.step(made, build)
    assert scenes.logged(made, "not-cleared", build_id=str(build.id))
    assert scenes.capacity(made).holds(build.id)
    assert not scenes.stored(made, build.id).value.is_finished
    made.drain()
    stops.demand_cancelled(made, build)


def test_a_version_that_may_not_be_deleted_is_reported_and_does_not_keep_the_image_busy() -> None:
    made = stops.verifying()
    build = scenes.active(made, BASE).value
    error = PermanentError(ErrorClass.PERMISSION, "the identity may not delete versions")
    galleries = scenes.Failing(inner=made.ports.galleries, name="begin_delete", errors=[error])
    stops.rewired(made, galleries=galleries)
    stops.cancel(made, build)
    made.drain()
    assert scenes.stored(made, build.id).value.result is Result.CANCELLED
    assert scenes.logged(made, "left-behind", build_id=str(build.id), error=str(error))
    assert scenes.head(made, BASE).active is None


def _quarantined(version: GalleryVersion, tags: dict[str, str]) -> GalleryImageVersion:
    return GalleryImageVersion(
        gallery=QUARANTINE,
        image=BASE,
        version=version,
        state=VersionState.READY,
        excluded_from_latest=True,
        tags=tags,
    )
