"""What a team asks for and stores on one day: counted for the team, over all instances, and for no other team."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline_core.domain.errors import OverLimit, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Principal, TableWrite, WriteKind
from simulation import fleet
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes
from tests.unit.triggers.asgi_client import AsgiClient
from triggers.api.app import create_app

PAY, DATA = scenes.principal("payments"), scenes.principal("data")
BOTH = scenes.principal("data", "payments")
PAY_IMAGE, DATA_IMAGE = ImageName("pay-1"), ImageName("data-1")


def _world(**limits: object) -> SimulatedWorld:
    made = scenes.registered({"rhel9-base": None})
    made.register("pay-1", "rhel9-base", team="payments", suspend=True)
    made.register("data-1", "rhel9-base", team="data")
    policies.put(made, limits=limits)
    return made


def _ask(made: SimulatedWorld, image: ImageName, caller: Principal, key: str) -> bool:
    try:
        made.factory.requests.request(image, caller, "because", key)
    except OverLimit:
        return False
    return True


def _store(made: SimulatedWorld, caller: Principal, *texts: str) -> list[bool]:
    """For each bundle whether it was accepted."""
    accepted = []
    for text in texts:
        digest, content = fleet.bundle(text)
        try:
            made.factory.registrar.store_bundle(digest, content, caller)
        except OverLimit:
            accepted.append(False)
        else:
            accepted.append(True)
    return accepted


def test_requests_over_the_limit_are_refused_with_the_figure_and_the_end_also_on_a_suspended_image() -> None:
    """Security finding 7: 1,079 requests on a suspended image were accepted, and hid what came later."""
    made = _world(requestsPerDay=3)
    assert [_ask(made, PAY_IMAGE, PAY, f"k{number}") for number in range(5)] == [True] * 3 + [False] * 2
    with pytest.raises(OverLimit) as refused:
        made.factory.requests.request(PAY_IMAGE, PAY, "because", "k9")
    tomorrow = made.ports.clock.now().date() + timedelta(days=1)
    assert str(refused.value) == (
        "team payments has asked for 3 builds today, and the limit in policy 1 allows 3 (`limits.requestsPerDay`); "
        f"the day ends at {tomorrow} 00:00 UTC"
    )
    before = made.ports.clock.now()
    assert refused.value.retry_after is not None
    made.ports.clock.advance(refused.value.retry_after)
    assert made.ports.clock.now().date() == before.date() + timedelta(days=1)
    assert _ask(made, PAY_IMAGE, PAY, "k9")


def test_a_request_that_is_sent_again_counts_once() -> None:
    made = _world(requestsPerDay=1)
    assert [_ask(made, PAY_IMAGE, PAY, "same") for _ in range(4)] == [True] * 4
    assert not _ask(made, PAY_IMAGE, PAY, "other")


def test_a_request_that_could_not_be_recorded_counts_once_when_it_is_sent_again() -> None:
    made = _world(requestsPerDay=2)

    def fail(table: str, writes: Sequence[TableWrite]) -> None:
        if any(table == "images" and write.row.key.startswith("request:") for write in writes):
            raise scenes.transient()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=fail))
    for _ in range(3):
        with pytest.raises(TransientError):
            _ask(made, PAY_IMAGE, PAY, "same")
    scenes.rewired(made, tables=made.ports.tables)
    asked = [_ask(made, PAY_IMAGE, PAY, key) for key in ("same", "same", "second", "third")]
    assert asked == [True, True, True, False]


def test_the_same_request_twice_at_the_same_moment_counts_once() -> None:
    made = _world(requestsPerDay=2)
    left = ["same"]

    def race(table: str, writes: Sequence[TableWrite]) -> None:
        is_request = any(table == "images" and write.row.key.startswith("request:") for write in writes)
        if is_request and left:
            assert _ask(made, PAY_IMAGE, PAY, left.pop())

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=race))
    assert [_ask(made, PAY_IMAGE, PAY, key) for key in ("same", "second", "third")] == [True, True, False]


def test_counts_that_cannot_be_read_hold_their_team_back_from_nothing_and_no_other_team_is_freed() -> None:
    """The row is not rewritten and its key is the team, so that a refusal would never end."""
    made = _world(requestsPerDay=1, bundlesPerDay=1)
    assert _ask(made, PAY_IMAGE, PAY, "k0")
    assert _ask(made, DATA_IMAGE, DATA, "k0")
    row = made.ports.tables.find("index", "days", "payments")
    assert row is not None
    spoilt = replace(row, cells={"schema": 1, "value": "{"})
    made.ports.tables.write("index", [TableWrite(verb=WriteKind.REPLACE, row=spoilt)])
    assert [_ask(made, PAY_IMAGE, PAY, key) for key in ("k1", "k2")] == [True, True]
    assert _store(made, PAY, "a", "b") == [True, True]
    assert _store(made, BOTH, "c") == [True]
    assert not _ask(made, DATA_IMAGE, DATA, "k1")
    assert _store(made, DATA, "d") == [False]  # "c" was its one
    after = made.ports.tables.find("index", "days", "payments")
    assert after is not None
    assert after.cells == spoilt.cells
    assert scenes.logged(made, "day-not-counted", team="payments")


def test_counts_that_become_unreadable_while_a_request_is_recorded_do_not_stop_it() -> None:
    made = _world(requestsPerDay=5)
    assert _ask(made, PAY_IMAGE, PAY, "k0")
    inner = made.ports.tables

    def spoil(table: str, writes: Sequence[TableWrite]) -> None:
        if any(table == "images" and write.row.key.startswith("request:") for write in writes):
            row = inner.find("index", "days", "payments")
            assert row is not None
            spoilt = replace(row, cells={"schema": 1, "value": "{"})
            inner.write("index", [TableWrite(verb=WriteKind.REPLACE, row=spoilt)])

    scenes.rewired(made, tables=scenes.WatchedTables(inner=inner, before=spoil))
    assert _ask(made, PAY_IMAGE, PAY, "k1")
    assert scenes.logged(made, "day-not-counted", team="payments")


def test_secops_are_not_refused_and_use_up_nothing_of_a_team() -> None:
    made = _world(requestsPerDay=1, bundlesPerDay=0)
    assert [_ask(made, PAY_IMAGE, ADMIN, f"k{number}") for number in range(3)] == [True] * 3
    assert _ask(made, PAY_IMAGE, PAY, "k9")
    assert _store(made, ADMIN, "one", "two") == [True, True]


def test_a_team_has_limits_of_its_own() -> None:
    made = _world(requestsPerDay=5, teams={"payments": {"requestsPerDay": 0, "bundlesPerDay": 1}})
    assert not _ask(made, PAY_IMAGE, PAY, "k")
    assert _ask(made, DATA_IMAGE, DATA, "k")
    assert (_store(made, PAY, "a", "b"), _store(made, DATA, "c", "d")) == ([True, False], [True, True])


def test_new_bundles_are_counted_and_stored_ones_are_not() -> None:
    made = _world(bundlesPerDay=2)
    assert _store(made, PAY, "a", "a", "b", "a", "b") == [True] * 5
    assert _store(made, PAY, "c", "a") == [False, True]  # what is there may be registered again
    made.ports.clock.advance(timedelta(days=1))
    assert _store(made, PAY, "c") == [True]


def test_a_member_of_two_teams_is_refused_where_both_are_at_their_limit() -> None:
    made = _world(bundlesPerDay=1)
    assert _store(made, PAY, "a") == [True]
    assert _store(made, BOTH, "b") == [True]
    assert _store(made, BOTH, "c") == [False]
    assert _store(made, DATA, "d") == [False]  # "b" was its one


def test_two_instances_count_together() -> None:
    made = _world(requestsPerDay=2)
    assert _ask(made, PAY_IMAGE, PAY, "k1")
    scenes.rewired(made)
    assert [_ask(made, PAY_IMAGE, PAY, key) for key in ("k2", "k3")] == [True, False]


@settings(deadline=None, max_examples=15)
@given(steps=some.lists(some.tuples(some.sampled_from(["pay", "data"]), some.booleans()), max_size=14))
def test_a_team_over_its_limit_never_delays_another_team(steps: Sequence[tuple[str, bool]]) -> None:
    """Whatever one team does, the other one gets the same answers as if it were alone."""

    def answers(own: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
        made = _world(requestsPerDay=2, bundlesPerDay=3)
        found = []
        for number, (team, asks) in enumerate(own):
            caller, image = (PAY, PAY_IMAGE) if team == "pay" else (DATA, DATA_IMAGE)
            if asks:
                done = _ask(made, image, caller, f"{team}-{number}")
            else:
                (done,) = _store(made, caller, f"{team} {number}")
            found.append((team, done))
        return found

    together = answers(steps)
    for team in ("pay", "data"):
        alone = answers([step for step in steps if step[0] == team])
        assert [each for each in together if each[0] == team] == alone


def test_over_http_the_answer_is_429_until_the_end_of_the_day() -> None:
    made = _world(requestsPerDay=1)
    client = AsgiClient(create_app(lambda: made.factory))
    made.ports.tokens.grant("pay", PAY)
    client.headers = {"Authorization": "Bearer pay"}
    statuses = [client.post("/api/images/pay-1/builds").status_code for _ in range(2)]
    answer = client.post("/api/images/pay-1/builds")
    assert (statuses, answer.status_code) == ([202, 429], 429)
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    assert "team payments has asked for 1 builds today" in answer.json()["detail"]


def test_what_the_limits_cost_in_operations_of_the_tables() -> None:
    """The figures of docs/numbers.md. What starts, runs and ends a build asks for none of them."""
    made = _world(requestsPerDay=9)
    _ask(made, PAY_IMAGE, PAY, "first")
    _store(made, PAY, "first")
    made.factory.rates.count(PAY)
    tables = made.ports.tables
    acts: tuple[Callable[[], object], ...] = (
        lambda: made.factory.rates.count(PAY),
        lambda: made.parts.policy.days.admit_request(scenes.team("payments"), PAY)(),
        lambda: made.parts.policy.days.find_full(PAY),
        lambda: made.parts.policy.days.count_bundle(PAY),
    )
    costs = []
    for act in acts:
        before = tables.operations
        act()
        costs.append(tables.operations - before)
    assert costs == [3, 3, 2, 2]
