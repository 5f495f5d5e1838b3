"""Builds that wait for a slot cost a sweep the rows of their lines, and nothing of each of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.growth import seeded
from benchmarks.growth.seeded import SeededFleet, name_of
from pipeline_core.domain import builds, dispatch, platform_breaker
from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import ErrorClass, ErrorScope, ScopeKind
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.services.upkeep import builds as upkeep
from pipeline_core.services.upkeep import lines
from pipeline_core.state import images as records
from simulation import world
from tests.unit.services import scenes

COUNT = 150


@pytest.fixture
def waiting() -> SeededFleet:
    """So many builds wait, and no slot was given yet."""
    fleet = seeded.current(seeded.flat(COUNT), slots=1)
    fleet.change(seeded.stale)
    for head in fleet.heads():
        fleet.world.factory.reconciler.reconcile(head.name, CampaignId("growth"))
    scenes.lose(fleet.world)
    fleet.world.ports.clock.advance(timedelta(minutes=20))
    return fleet


def test_a_sweep_reads_a_few_of_the_builds_that_wait(waiting: SeededFleet) -> None:
    cost = waiting.sweep()
    assert cost.tables <= 11 + 4  # no copy has its turn: each was written when its build was queued
    assert scenes.texts(waiting.world, "build-steps") == []
    assert len(scenes.texts(waiting.world, "dispatch-requests")) == 1


def test_a_sweep_asks_for_a_pass_only_where_a_slot_is_free_and_a_build_waits(waiting: SeededFleet) -> None:
    made = waiting.world
    made.factory.dispatcher.dispatch()  # takes the only slot
    scenes.lose(made)
    made.factory.sweeper.sweep()
    assert scenes.texts(made, "dispatch-requests") == []
    assert scenes.capacity(made).release(scenes.capacity(made).holders()[0]).is_freed
    made.factory.sweeper.sweep()
    assert len(scenes.texts(made, "dispatch-requests")) == 1


def test_a_sweep_asks_for_no_pass_where_every_build_runs() -> None:
    made = scenes.registered({"rhel9-base": None})
    scenes.in_phase(made, scenes.BASE, Phase.BUILDING)
    scenes.lose(made)
    made.factory.sweeper.sweep()
    assert scenes.texts(made, "dispatch-requests") == []


def test_builds_that_waited_long_come_into_the_late_line_the_oldest_first_and_a_few_at_a_time(
    waiting: SeededFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_ADDED", 10)
    waiting.world.ports.clock.advance(dispatch.LATE_AFTER)
    index = scenes.index(waiting.world)
    for sweeps in range(1, 4):
        waiting.world.factory.sweeper.sweep()
        late = index.late(limit=100)
        assert [row.value.build.image for row in late] == [name_of(number) for number in range(10 * sweeps)]
        assert all(row.value.campaign == CampaignId("growth") for row in late)


def test_a_team_has_a_bounded_number_of_rows_in_the_late_line(
    waiting: SeededFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_LATE_LINE", 2)
    waiting.world.ports.clock.advance(dispatch.LATE_AFTER)
    for _ in range(5):
        waiting.world.factory.sweeper.sweep()
    late = scenes.index(waiting.world).late(limit=100)
    teams = [str(row.value.team) for row in late]
    assert sorted(teams) == sorted(2 * [f"team-{number}" for number in range(10)])


def test_late_builds_that_wait_are_shown_in_turn_and_once(
    waiting: SeededFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_SHOWN", 20)
    waiting.world.ports.clock.advance(upkeep.EXPECTED[Phase.PENDING])
    for _ in range(10):
        assert waiting.world.factory.sweeper.sweep().late == COUNT
        waiting.world.ports.clock.advance(world.SWEEP)
    shown = [scenes.events(waiting.world, name_of(number)).count(Event.LATE) for number in range(COUNT)]
    assert shown == [1] * COUNT


def test_a_build_that_is_in_no_line_is_put_back(waiting: SeededFleet) -> None:
    build = scenes.active(waiting.world, name_of(9)).value
    scenes.index(waiting.world).remove_pending(build.priority)
    waiting.world.factory.sweeper.sweep()
    assert build.id in [row.value.build for row in scenes.index(waiting.world).pending(limit=COUNT)]


def test_a_row_that_a_dead_dispatcher_left_of_a_running_build_hides_it_from_no_sweep(
    waiting: SeededFleet,
) -> None:
    made = waiting.world
    assert made.factory.dispatcher.dispatch() == 1
    scenes.lose(made)
    (running,) = scenes.capacity(made).holders()
    build = scenes.stored(made, running).value
    scenes.index(made).add_pending(dispatch.first_row_of(build))
    made.ports.clock.advance(timedelta(minutes=10))
    made.factory.sweeper.sweep()
    assert [text for text in scenes.texts(made, "build-steps") if str(running) in text]
    assert running not in [row.value.build for row in scenes.index(made).pending(limit=COUNT)]


def test_a_row_left_of_a_build_without_a_slot_is_found_in_turn(waiting: SeededFleet) -> None:
    made, image = waiting.world, name_of(77)
    stored = scenes.active(made, image)
    ended = builds.finish(stored.value, Result.SUPERSEDED, made.ports.clock.now())
    scenes.images(made).commit([records.put_build(ended, etag=stored.etag)])
    for _ in range(-(-COUNT // 4)):
        made.ports.clock.advance(world.SWEEP)
        made.factory.sweeper.sweep()
    assert ended.id not in [row.value.build for row in scenes.index(made).pending(limit=COUNT)]
    assert ended.id not in list(scenes.index(made).active())


def test_a_row_whose_key_says_no_time_makes_the_sweep_read_its_build(waiting: SeededFleet) -> None:
    made, build = waiting.world, scenes.active(waiting.world, name_of(9)).value
    index = scenes.index(made)
    index.remove_pending(build.priority)
    index.add_pending(PendingBuild(key="0-strange", build=build.id, team=build.team))
    made.factory.sweeper.sweep()
    assert build.priority in [row.value.key for row in index.pending(limit=COUNT + 1)]


def test_a_campaign_of_waiting_builds_alone_is_shown_and_some_of_its_images_are_asked_for(
    waiting: SeededFleet,
) -> None:
    waiting.world.ports.clock.advance(timedelta(hours=3))
    assert waiting.world.factory.sweeper.sweep().stalled == 1
    assert len(scenes.asked(waiting.world)) == 20
    told = [scenes.events(waiting.world, name_of(number)) for number in range(COUNT)]
    assert sum(each.count(Event.CAMPAIGN_STALLED) for each in told) == 1


def test_builds_that_an_outage_holds_back_cost_no_more_and_come_back_when_it_is_over(
    waiting: SeededFleet,
) -> None:
    made, store = waiting.world, waiting.world.base.records
    now = made.ports.clock.now()
    scope = ErrorScope(kind=ScopeKind.SOURCE, name="rhel")
    breaker = PlatformBreaker(error_class=ErrorClass.NOT_FOUND, scope=scope, is_wide=True)
    store.breakers.change(breaker, lambda found: replace(found, opened_at=now, is_drained=False))
    for row in store.index.waiting(limit=COUNT):
        store.index.hold(breaker.key, row)
    cost = waiting.sweep()
    assert cost.tables <= 11 + 20 + 2  # the breakers, and the page of what they hold back
    assert store.index.waiting(limit=1) == []  # no build is put back into a line
    # The message that asks for the next probe may be lost, or the build that was called may be cancelled by then.
    assert len(scenes.texts(made, "dispatch-requests")) == 1
    scenes.lose(made)
    store.breakers.change(breaker, lambda found: platform_breaker.close(found, now))
    waiting.sweep()
    made.ports.clock.advance(timedelta(minutes=1))
    for _ in range(8):  # the sweep asks for a pass, and each pass gives back a slice
        made.factory.dispatcher.dispatch()
    assert store.index.held(breaker.key, limit=1) == []
    assert len(store.index.waiting(limit=COUNT)) >= COUNT - 1  # one may have the slot


def test_a_change_that_was_not_announced_is_found_by_the_next_sweep(waiting: SeededFleet) -> None:
    made = waiting.world
    (head, *_) = waiting.heads()
    made.base.effects.projection.show(replace(head, announce="sweep"))
    stored = scenes.images(made).get_head(head.name)
    scenes.images(made).commit([records.put_head(replace(head, announce="sweep"), etag=stored.etag)])
    waiting.sweep()
    assert [text for text in scenes.texts(made, "rebuild-requests") if f'"{head.name}"' in text]
