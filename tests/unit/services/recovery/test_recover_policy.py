"""Recovery of the policy: it is back before anything else, with its history, and what was live is not built again."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.policy import OPEN, PolicyVersion
from pipeline_core.ports import TableWrite, WriteKind
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services import policy_documents as policies
from tests.unit.services.scenes import BASE, JAVA, SIX

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
SPEC = {"compliance": policies.FLOOR, "bases": {"rhel9-base": {"minScore": 90}}, "maxAge": "30d"}


def _history(made: SimulatedWorld) -> tuple[PolicyVersion, ...]:
    return made.factory.policy.versions(limit=200)


def _lose_policy(made: SimulatedWorld) -> None:
    """Its rows alone; no message."""
    for row in made.ports.tables.rows("index"):
        if row.partition == "policy":
            made.ports.tables.write("index", [TableWrite(verb=WriteKind.DELETE, row=row)])


def test_the_policy_is_in_force_again_with_its_history_and_nothing_is_built() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="20d")
    made.ports.clock.advance(timedelta(hours=1))
    policies.put(made, **SPEC)
    for name, parent in TWO.items():
        made.register(name, parent)
    made.settle()
    before, history, policy = losses.essence(made), _history(made), made.factory.policy.current()
    indexed = losses.index_keys(made)
    assert [version.revision for version in history] == [2, 1]
    losses.lost_and_recovered(made)
    assert _history(made) == history
    assert made.factory.policy.current() == policy
    assert losses.essence(made) == before
    assert losses.index_keys(made) == indexed
    assert before[JAVA].registration.max_age == timedelta(days=30)
    former = before[JAVA].current
    assert former is not None
    assert former.scan is not None
    made.settle()
    assert losses.build_count(made) == 0
    assert policies.put(made, maxAge="10d").version.revision == 3


def test_the_first_step_brings_the_policy_back() -> None:
    made = scenes.settled()
    policies.put(made, maxAge="20d")
    losses.lose_tables(made)
    made.factory.recovery.step(ADMIN, "")
    assert made.factory.policy.current().longest_max_age == timedelta(days=20)
    assert len(losses.heads(made)) == len(SIX)


def test_while_the_policy_alone_is_lost_a_gate_waits_and_goes_on_when_it_is_back() -> None:
    made = scenes.registered({"rhel9-base": None})
    policies.put(made, compliance=policies.FLOOR)
    scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.step(made, scenes.active(made, BASE).value)  # the scan is being made
    _lose_policy(made)
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    assert scenes.active(made, BASE).value.phase is Phase.VERIFYING
    assert losses.problems(losses.recover(made, force=True)) == {}
    made.settle()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.SUCCEEDED
    assert made.poisoned == []


def test_what_is_there_is_not_replaced_by_what_the_recovery_log_tells() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="20d")
    before = _history(made)
    assert made.factory.policy.recover() is False
    assert _history(made) == before


def test_versions_that_remained_stay_and_the_newest_is_in_force() -> None:
    made = scenes.registered({})
    for days in (5, 6, 7):
        policies.put(made, maxAge=f"{days}d")
    before = _history(made)
    losses.lose_tables(
        made,
        "index",
        only=lambda row: row.partition == "policy" and row.key in ("current", "version:9999999997"),
    )
    assert [version.revision for version in _history(made)] == [3, 1]
    assert made.factory.policy.recover() is True
    assert _history(made) == before
    assert made.factory.policy.current().longest_max_age == timedelta(days=7)


def test_a_long_history_comes_back_in_parts() -> None:
    made = scenes.registered({})
    for number in range(95):
        policies.put(made, maxAge=f"{1 + number}d")
    before = _history(made)
    _lose_policy(made)
    assert made.factory.policy.recover() is True
    assert _history(made) == before


def test_where_there_was_no_policy_none_is_made_up() -> None:
    made = scenes.settled(TWO)
    losses.lost_and_recovered(made)
    assert made.factory.policy.current() == OPEN
    assert made.factory.policy.recover() is False


def test_a_recovery_log_that_cannot_be_read_does_not_bring_an_older_policy_back() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="20d")
    made.ports.blobs.create(
        "definitions", "chronicle/policy/9999999997.json", b"{}", media_type="application/json"
    )
    losses.lose_tables(made)
    with pytest.raises(PermanentError, match="cannot be recovered"):
        made.factory.recovery.step(ADMIN, "")


def test_one_who_recovers_at_the_same_moment_changes_nothing() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="20d")
    before = _history(made)
    _lose_policy(made)
    other = made.factory.policy
    watched = scenes.WatchedTables(inner=made.ports.tables, before=lambda *_: first())
    first = scenes.once(lambda: other.recover())
    scenes.rewired(made, tables=watched)
    assert made.factory.policy.recover() is False
    assert _history(made) == before
