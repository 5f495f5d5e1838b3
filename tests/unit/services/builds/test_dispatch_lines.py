"""The lines that builds wait in: who is read, who is out of the way, who has waited long, who came meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain import dispatch
from pipeline_core.domain.capacity import LATE_EVERY
from pipeline_core.domain.dispatch import LATE_AFTER
from pipeline_core.domain.names import CampaignId, ImageName, TeamName
from pipeline_core.ports import Row, TableWrite
from pipeline_core.services.builds import dispatch as dispatching
from pipeline_core.settings import Limits
from pipeline_core.state import images as records
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

GREEDY = TeamName("greedy")


@dataclass(slots=True, kw_only=True)
class CountedTables:
    """Tables that count the rows and reads of pending builds, and the reads of heads; `before` runs before a write."""

    inner: MemoryTables
    before: Callable[[Sequence[TableWrite]], None] = lambda _: None
    rows: int = 0
    reads: int = 0
    heads: int = 0

    def find(self, table: str, partition: str, key: str) -> Row | None:
        self.heads += key == "head"
        return self.inner.find(table, partition, key)

    def scan(self, table: str, partition: str, **bounds: Any) -> Sequence[Row]:
        found = self.inner.scan(table, partition, **bounds)
        if partition == "pending":
            self.reads += 1
            self.rows += len(found)
        return found

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        self.before(writes)
        return self.inner.write(table, writes)


def _counted(made: SimulatedWorld, *, slots: int, team_slots: int = 100, **named: Any) -> CountedTables:
    """The same world with other limits, on tables that are counted."""
    tables = CountedTables(inner=made.ports.tables, **named)
    ports: Any = replace(made.ports, tables=tables)  # type: ignore[arg-type]  # the same Protocol
    limits = Limits(slots=slots, creates_per_hour=10_000, team_slots=team_slots, wait=scenes.WAIT)
    made.rewire(foundation_of(ports, scenes.deployment_of(made), limits))
    return tables


def _queued(count: int) -> SimulatedWorld:
    made = scenes.registered({f"image-{number:02d}": None for number in range(count)})
    for number in range(count):
        scenes.look(made, ImageName(f"image-{number:02d}"))
    scenes.lose(made)
    return made


def _crowd(count: int) -> SimulatedWorld:
    """So many builds of one team wait, and behind them one of another team."""
    made = scenes.settled({"rhel9-base": None})
    names = [f"a-{number:02d}" for number in range(count)]
    for name in names:
        scenes.register_for(made, name, "rhel9-base", "greedy")
    made.ports.clock.advance(timedelta(seconds=5))
    scenes.register_for(made, "z-last", "rhel9-base", "modest")
    for name in (*names, "z-last"):
        scenes.look(made, ImageName(name))
    scenes.lose(made)
    return made


def _started(made: SimulatedWorld) -> list[str]:
    return sorted(str(build.image) for build in scenes.capacity(made).holders())


def _parked(made: SimulatedWorld) -> list[str]:
    return [str(row.value.build.image) for row in scenes.index(made).parked(GREEDY, limit=100)]


def _waiting(made: SimulatedWorld) -> list[str]:
    return [str(row.value.build.image) for row in scenes.index(made).pending(limit=100)]


def _make_late(made: SimulatedWorld, image: str) -> None:
    """What the sweep does about a build that has waited long."""
    build = scenes.active(made, ImageName(image)).value
    row = dispatch.row_of(build, build.created_at + LATE_AFTER)
    scenes.index(made).add_pending(row, again=True)


def _end_one(made: SimulatedWorld, image: str) -> None:
    scenes.capacity(made).release(scenes.active(made, ImageName(image)).value.id)


def test_as_many_rows_are_read_as_can_be_started_however_many_wait() -> None:
    made = _queued(30)
    tables = _counted(made, slots=3)
    assert made.factory.dispatcher.dispatch() == 3
    assert (tables.rows, tables.reads) == (3, 2)  # the second finds that no team has parked builds
    assert made.factory.dispatcher.dispatch() == 0
    assert (tables.rows, tables.reads) == (3, 2)


def test_a_pass_that_ends_with_free_slots_has_read_an_empty_line_last() -> None:
    made = _queued(2)
    tables = _counted(made, slots=3)
    assert made.factory.dispatcher.dispatch() == 2
    # The last read sees the two that this run has begun: they leave the line after their first steps.
    assert (tables.rows, tables.reads) == (4, 2)


def test_a_build_that_is_queued_while_a_pass_reads_needs_no_other_message() -> None:
    """Rule 8: here its own message is lost."""
    made = _queued(1)
    scenes.lose(made)
    other = made.factory
    made.register("z-new", None)

    def queue() -> None:
        other.reconciler.reconcile(ImageName("z-new"), CampaignId("test"))
        scenes.lose(made, "dispatch-requests")

    arrive = scenes.once(queue)

    def before(writes: Sequence[TableWrite]) -> None:
        if writes[0].row.key.startswith("slot:"):
            arrive()

    _counted(made, slots=3, before=before)
    assert made.factory.dispatcher.dispatch() == 2
    assert _started(made) == ["image-00", "z-new"]
    assert _waiting(made) == []


def test_a_crowd_of_a_team_at_its_limit_is_read_once_and_starves_nobody() -> None:
    made = _crowd(60)
    tables = _counted(made, slots=2, team_slots=1)
    assert made.factory.dispatcher.dispatch() == 2
    assert _started(made) == ["a-00", "z-last"]
    assert len(_parked(made)) == 59
    assert _waiting(made) == []
    assert tables.rows <= 2 * 61 + 10  # each is read once, then what is behind it, which was parked just now
    assert tables.reads <= 25
    _end_one(made, "z-last")
    before = tables.rows
    assert made.factory.dispatcher.dispatch() == 0
    assert tables.rows == before + 2  # what might have been started, and one of the team's line


def test_a_pass_that_could_not_read_all_asks_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "_READS", 2)
    made = _crowd(9)
    _counted(made, slots=2, team_slots=1)
    made.factory.dispatcher.dispatch()
    assert _waiting(made) != []
    assert len(scenes.texts(made, "dispatch-requests")) == 1


def test_a_parked_build_starts_when_its_team_has_room_and_in_its_order() -> None:
    made = _crowd(4)
    _counted(made, slots=8, team_slots=2)
    made.factory.dispatcher.dispatch()
    assert _started(made) == ["a-00", "a-01", "z-last"]
    assert _parked(made) == ["a-02", "a-03"]
    _end_one(made, "a-01")
    assert made.factory.dispatcher.dispatch() == 1
    assert _started(made) == ["a-00", "a-02", "z-last"]
    assert _parked(made) == ["a-03"]


def test_a_team_that_gets_room_while_its_builds_are_parked_is_looked_at_again() -> None:
    made = _crowd(2)
    end = scenes.once(lambda: _end_one(made, "a-00"))

    def before(writes: Sequence[TableWrite]) -> None:
        if writes[0].row.key.startswith("team:greedy:"):
            end()  # and its message is lost

    _counted(made, slots=8, team_slots=1, before=before)
    made.factory.dispatcher.dispatch()
    assert _started(made) == ["a-01", "z-last"]
    assert _parked(made) == []


def test_a_parked_build_that_was_put_back_by_mistake_is_parked_again() -> None:
    made = _crowd(2)
    _counted(made, slots=8, team_slots=1)
    made.factory.dispatcher.dispatch()
    (row,) = scenes.index(made).parked(GREEDY, limit=5)
    scenes.index(made).add_pending(replace(row.value, key=row.value.rank))
    made.factory.dispatcher.dispatch()
    assert _waiting(made) == []
    assert _parked(made) == ["a-01"]


def test_a_team_with_room_is_found_behind_one_that_is_full_and_a_full_page() -> None:
    made = _crowd(3)
    scenes.register_for(made, "b-00", "rhel9-base", "another")
    scenes.register_for(made, "b-01", "rhel9-base", "another")
    for name in ("b-00", "b-01"):
        scenes.look(made, ImageName(name))
    _counted(made, slots=8, team_slots=1)
    made.factory.dispatcher.dispatch()
    assert _started(made) == ["a-00", "b-00", "z-last"]
    _end_one(made, "a-00")
    tables = _counted(made, slots=3, team_slots=1)
    assert made.factory.dispatcher.dispatch() == 1
    assert _started(made) == ["a-01", "b-00", "z-last"]
    # The first parked row was of a full team: so one row of each team, and the build; two reads for late ones.
    assert (tables.rows, tables.reads) == (4, 7)


def test_every_fifth_start_is_for_the_build_that_has_waited_longest() -> None:
    made = _queued(12)
    _counted(made, slots=1)
    for image in ("image-10", "image-11"):
        _make_late(made, image)
    order = []
    for _ in range(2 * LATE_EVERY):
        assert made.factory.dispatcher.dispatch() == 1
        (name,) = _started(made)
        order.append(name)
        _end_one(made, name)
    first = [f"image-{number:02d}" for number in range(8)]
    assert order == [*first[:4], "image-10", *first[4:], "image-11"]


def test_late_builds_are_read_only_when_it_is_their_turn() -> None:
    made = _queued(12)
    tables = _counted(made, slots=1)
    _make_late(made, "image-11")
    for _ in range(LATE_EVERY - 1):
        made.factory.dispatcher.dispatch()
        _end_one(made, _started(made)[0])
    assert (tables.rows, tables.reads) == (4, 8)
    made.factory.dispatcher.dispatch()
    assert (tables.rows, tables.reads) == (6, 11)
    assert _started(made) == ["image-11"]


def test_a_late_build_starts_without_its_turn_where_slots_are_left_and_leaves_no_row() -> None:
    made = _queued(3)
    _counted(made, slots=8)
    for image in ("image-01", "image-02"):
        _make_late(made, image)
    scenes.index(made).remove_pending(scenes.active(made, ImageName("image-02")).value.priority)
    made.ports.clock.advance(LATE_AFTER)
    assert made.factory.dispatcher.dispatch() == 3
    assert _waiting(made) == []


def test_a_late_build_of_a_team_at_its_limit_is_parked_and_has_its_turn_in_the_teams_line() -> None:
    made = _crowd(9)
    _counted(made, slots=1, team_slots=1)
    _make_late(made, "a-08")
    made.factory.dispatcher.dispatch()
    scenes.lose(made)
    _end_one(made, "a-00")
    scenes.limited(made, slots=2, team_slots=1)
    order = []
    for _ in range(5):
        made.factory.dispatcher.dispatch()
        name = next(each for each in _started(made) if each.startswith("a-"))
        order.append(name)
        _end_one(made, name)
    # The base was the first start, a-00 the second; then come a-01 and z-last, so that the fifth is a-08.
    assert order == ["a-01", "a-08", "a-02", "a-03", "a-04"]


def test_a_pass_with_nothing_to_start_costs_two_reads_and_a_full_house_one() -> None:
    made = _queued(1)
    _counted(made, slots=8)
    made.factory.dispatcher.dispatch()
    before = made.ports.tables.operations
    made.factory.dispatcher.dispatch()
    assert made.ports.tables.operations - before == 2  # the capacity, and an empty line
    _counted(made, slots=1)
    made.factory.dispatcher.dispatch()
    assert made.ports.tables.operations - before == 3


def test_a_build_that_has_waited_begins_on_the_head_by_which_it_was_asked_about() -> None:
    made = _queued(1)
    made.ports.clock.advance(timedelta(minutes=2))
    tables = _counted(made, slots=1)
    assert made.factory.dispatcher.dispatch() == 1
    assert tables.heads == 1


def test_a_build_that_has_waited_long_leaves_both_of_its_lines_by_one_operation() -> None:
    made = _queued(1)
    made.ports.clock.advance(LATE_AFTER + timedelta(minutes=1))
    tables = _counted(made, slots=1)
    deleted: list[int] = []
    tables.before = lambda writes: deleted.append(sum(write.row.partition == "pending" for write in writes))
    _make_late(made, "image-00")
    assert len(_waiting(made)) == 2
    assert made.factory.dispatcher.dispatch() == 1
    assert _waiting(made) == []
    assert [count for count in deleted if count] == [2]


def test_a_build_that_has_waited_long_and_is_in_one_line_leaves_it() -> None:
    made = _queued(1)
    made.ports.clock.advance(LATE_AFTER + timedelta(minutes=1))
    _counted(made, slots=1)
    assert made.factory.dispatcher.dispatch() == 1
    assert _waiting(made) == []


def test_a_begin_that_loses_its_race_for_the_head_reads_the_head_again() -> None:
    made = _queued(1)
    made.ports.clock.advance(timedelta(minutes=2))
    raced: list[bool] = []

    def race(writes: Sequence[TableWrite]) -> None:
        if any(write.row.key == "head" for write in writes) and not raced:
            raced.append(True)
            images = made.base.records.images
            stored = images.get_head(ImageName("image-00"))
            images.commit([records.put_head(replace(stored.value, failures=1), etag=stored.etag)])

    _counted(made, slots=1, before=race)
    assert made.factory.dispatcher.dispatch() == 1
    assert raced
    assert made.base.records.images.get_head(ImageName("image-00")).value.failures == 1
