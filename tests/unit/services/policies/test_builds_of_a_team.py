"""Builds of a team at the same time, by the policy: the rest waits, no other team does, and nothing is read for it."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.capacity import TeamSlots
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.policy import Policy
from pipeline_core.ports import TableWrite, WriteKind
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes

KEY = "slots-of-teams"
PAY, DATA = TeamName("payments"), TeamName("data")


class KilledError(BaseException):
    """The process ends here."""


def _world(**limits: Any) -> SimulatedWorld:
    made = scenes.settled({"rhel9-base": None})
    policies.put(made, limits=limits)
    for number in range(3):
        made.register(f"pay-{number}", "rhel9-base", team="payments")
        made.register(f"data-{number}", "rhel9-base", team="data")
    return made


def _most_at_once(made: SimulatedWorld) -> Counter[str]:
    """Let the world go on to its end; the most slots that each team has held at one moment."""
    most: Counter[str] = Counter()

    def look() -> bool:
        rows = (row for row in made.ports.tables.rows("capacity") if row.key.startswith("slot:"))
        now = Counter(str(row.cells["team"]) for row in rows)
        most.update({team: max(0, count - most[team]) for team, count in now.items()})
        return all(made.versions().values())

    scenes.until(made, look)
    return most


def test_a_team_at_its_limit_waits_and_the_others_do_not() -> None:
    made = _world(teams={"payments": {"builds": 1}})
    assert _most_at_once(made) == {"payments": 1, "data": 3}
    assert len(made.versions()) == 7


def test_a_limit_for_all_teams_holds_for_each() -> None:
    made = _world(builds=2)
    assert _most_at_once(made) == {"payments": 2, "data": 2}


def test_without_a_limit_no_row_is_written() -> None:
    made = _world(images=50)
    assert [row for row in made.ports.tables.rows("capacity") if row.key == KEY] == []
    assert _most_at_once(made) == {"payments": 3, "data": 3}


def test_a_limit_that_is_taken_back_holds_no_longer() -> None:
    made = _world(builds=1)
    policies.put(made, limits={})
    assert made.base.records.capacity.read(made.ports.clock.now()).team_slots.has_limits is False
    assert _most_at_once(made) == {"payments": 3, "data": 3}


@pytest.mark.parametrize("is_same", [True, False])
def test_a_copy_that_was_lost_is_written_again_with_the_policy(is_same: bool) -> None:
    made = _world(builds=1)
    row = made.ports.tables.find("capacity", "slots", KEY)
    assert row is not None
    made.ports.tables.write("capacity", [TableWrite(verb=WriteKind.DELETE, row=row)])
    policies.put(made, limits={"builds": 1 if is_same else 2})
    found = made.base.records.capacity.read(made.ports.clock.now()).team_slots
    assert (found.within(PAY, 8), found.revision) == ((1, 1) if is_same else (2, 2))


def _slots(made: SimulatedWorld) -> TeamSlots:
    return made.base.records.capacity.read(made.ports.clock.now()).team_slots


def _lose_capacity(made: SimulatedWorld) -> None:
    for row in made.ports.tables.rows("capacity"):
        made.ports.tables.write("capacity", [TableWrite(verb=WriteKind.DELETE, row=row)])


def _dies_before_the_copy(made: SimulatedWorld) -> None:
    """From now on, a process that writes the copy dies in place of it."""

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if any((table, write.row.key) == ("capacity", KEY) for write in writes):
            raise KilledError

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))


def test_a_recovery_writes_the_copy_where_only_the_capacity_was_lost() -> None:
    made = _world(builds=1)
    _lose_capacity(made)
    assert _slots(made).has_limits is False
    made.factory.recovery.step(ADMIN, "", force=True)
    assert _slots(made).within(PAY, 8) == 1


def test_a_recovery_that_died_behind_the_policy_is_completed_by_the_next_one() -> None:
    made = _world(builds=1)
    _lose_capacity(made)
    for row in [row for row in made.ports.tables.rows("index") if row.partition == "policy"]:
        made.ports.tables.write("index", [TableWrite(verb=WriteKind.DELETE, row=row)])
    _dies_before_the_copy(made)
    with pytest.raises(KilledError):
        made.factory.recovery.step(ADMIN, "", force=True)
    assert made.base.records.policies.find_current() is not None
    scenes.rewired(made, tables=made.ports.tables)
    made.factory.recovery.step(ADMIN, "", force=True)
    assert _slots(made).within(PAY, 8) == 1


@pytest.mark.parametrize("before", [{}, {"builds": 3}])
def test_a_change_that_died_before_the_copy_is_completed_by_a_sweep(before: dict[str, int]) -> None:
    made = _world(**before)
    _dies_before_the_copy(made)
    with pytest.raises(KilledError):
        policies.put(made, limits={"builds": 1})
    scenes.rewired(made, tables=made.ports.tables)
    made.factory.sweeper.sweep()
    assert _slots(made).within(PAY, 8) == before.get("builds", 8)  # the writer may still be at work
    made.ports.clock.advance(timedelta(minutes=10))
    made.factory.sweeper.sweep()
    assert (_slots(made).within(PAY, 8), _slots(made).revision) == (1, 2)


def test_a_sweep_that_cannot_read_the_document_logs_the_policy_and_keeps_the_note_of_the_copy() -> None:
    made = _world(images=50)
    _dies_before_the_copy(made)
    with pytest.raises(KilledError):
        policies.put(made, limits={"builds": 1})
    stored = made.base.records.policies.find_current()
    assert stored is not None
    documents = made.ports.blobs._blobs["definitions"]
    name = f"policies/{stored.value.digest}.json"
    document = documents.pop(name)
    scenes.rewired(made, tables=made.ports.tables)
    made.ports.clock.advance(timedelta(minutes=10))
    made.factory.sweeper.sweep()
    assert [each.revision for each in made.base.effects.recovery_log.policies()] == [2, 1]
    documents[name] = document
    made.factory.sweeper.sweep()
    assert _slots(made).within(PAY, 8) == 1


def test_the_slower_of_two_writers_does_not_put_an_older_policy_back() -> None:
    made = _world(builds=1)
    policies.put(made, limits={"builds": 2})
    older: Policy = made.factory.policy.current()
    policies.put(made, limits={"builds": 3})
    made.factory.policy._copy_team_slots(older)
    assert made.base.records.capacity.read(made.ports.clock.now()).team_slots.within(DATA, 8) == 3


def test_a_slow_writer_of_the_first_copy_does_not_bring_back_a_limit_that_was_taken_away_meanwhile() -> None:
    made = _world(images=50)
    left: list[dict[str, Any]] = [{}]

    def overtake(table: str, writes: Sequence[TableWrite]) -> None:
        if left and any((table, write.row.key) == ("capacity", KEY) for write in writes):
            policies.put(made, limits=left.pop())

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=overtake))
    policies.put(made, limits={"builds": 1})
    assert made.factory.policy.current().limits.general.builds is None
    assert _slots(made).has_limits is False


def test_the_limit_of_a_deleted_team_harms_nobody() -> None:
    made = _world(teams={"gone": {"builds": 1}})
    assert _most_at_once(made) == {"payments": 3, "data": 3}
    assert made.base.records.images.find_head(ImageName("gone")) is None
