"""Changes per caller: over all instances, for each caller alone, and never at the cost of the factory itself."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.errors import ErrorClass, OverLimit, TransientError
from pipeline_core.domain.team_limits import CHANGES_PER_MINUTE
from pipeline_core.ports import Principal, TableWrite, WriteKind
from simulation.world import SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes

EVE, ADA = scenes.principal("evil"), scenes.principal("payments")


def _allowed(made: SimulatedWorld, caller: Principal, tries: int) -> int:
    """How many of so many changes at one moment are allowed."""
    count = 0
    for _ in range(tries):
        try:
            made.factory.rates.count(caller)
        except OverLimit:
            continue
        count += 1
    return count


def test_a_caller_over_the_limit_is_refused_and_no_other_is() -> None:
    """Security finding 7: 1,079 rebuild requests of one caller within minutes, all accepted."""
    made = scenes.registered({})
    assert _allowed(made, EVE, 1_079) == CHANGES_PER_MINUTE
    assert _allowed(made, ADA, 10) == 10
    with pytest.raises(OverLimit) as refused:
        made.factory.rates.count(EVE)
    assert "120 changes within a minute" in str(refused.value)
    assert refused.value.retry_after == timedelta(milliseconds=500)
    made.ports.clock.advance(timedelta(minutes=1))
    assert _allowed(made, EVE, 1_000) == CHANGES_PER_MINUTE


def test_the_policy_says_how_many() -> None:
    made = scenes.registered({})
    policies.put(made, limits={"changesPerMinute": 7})
    assert _allowed(made, EVE, 20) == 7


def test_two_instances_count_together() -> None:
    made = scenes.registered({})
    policies.put(made, limits={"changesPerMinute": 10})
    first = _allowed(made, EVE, 6)
    scenes.rewired(made)  # another process over the same tables
    assert (first, _allowed(made, EVE, 6)) == (6, 4)


def test_one_row_is_kept_of_a_caller_whatever_it_does_and_names_nobody() -> None:
    made = scenes.registered({})
    _allowed(made, EVE, 200)
    made.ports.clock.advance(timedelta(days=1))
    _allowed(made, EVE, 1)
    (row,) = [each for each in made.ports.tables.rows("index") if each.partition == "rates"]
    assert "evil" not in f"{row.key}{row.cells}".lower()


def test_a_fault_of_the_storage_lets_callers_through_and_is_logged() -> None:
    made = scenes.registered({})
    fault = TransientError(ErrorClass.NETWORK, "no answer")

    def fail(table: str, writes: Any) -> None:
        if any(write.row.partition == "rates" for write in writes):
            raise fault

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=fail))
    assert _allowed(made, EVE, 300) == 300
    assert scenes.logged(made, "rate-not-counted", error="no answer")


def test_who_changes_the_same_count_at_the_same_moment_is_asked_to_wait_a_second() -> None:
    """A storage fault lets a caller through, a crowd of its own requests does not: it would be a way around."""
    made = scenes.registered({})
    _allowed(made, EVE, 1)
    inner = made.ports.tables

    def disturb(table: str, writes: Any) -> None:
        if any(write.row.partition == "rates" for write in writes):
            (now,) = [each for each in inner.rows("index") if each.partition == "rates"]
            inner.write("index", [TableWrite(verb=WriteKind.REPLACE, row=now)])

    scenes.rewired(made, tables=scenes.WatchedTables(inner=inner, before=disturb))
    with pytest.raises(OverLimit, match="at the same moment") as refused:
        made.factory.rates.count(EVE)
    assert refused.value.retry_after == timedelta(seconds=1)


def test_a_policy_that_cannot_be_read_leaves_the_usual_limit() -> None:
    made = scenes.registered({})
    put = policies.put(made, limits={"changesPerMinute": 7})
    del made.ports.blobs._blobs["definitions"][f"policies/{put.version.digest}.json"]
    scenes.rewired(made)
    assert _allowed(made, EVE, 300) == CHANGES_PER_MINUTE
