"""Retry, windows, lanes, dispatch order, access, retention and the journal's key."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import dispatch, reasons, retry
from pipeline_core.domain.capacity import Capacity
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import ErrorClass, InvalidValue
from pipeline_core.domain.journal import entry_key
from pipeline_core.domain.names import BuildId, TeamName
from pipeline_core.domain.reasons import Lane, ReasonKind, RebuildReason, lane_of
from pipeline_core.domain.retry import GiveUp, TryAgain, next_try
from pipeline_core.domain.windows import parse_window
from tests.unit.domain.factories import NOW

TRANSIENT = [error_class for error_class in ErrorClass if error_class.is_transient]


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_what_is_transient_is_tried_again_and_nothing_else(error_class: ErrorClass) -> None:
    assert isinstance(next_try(error_class, 1, 0.0), TryAgain if error_class.is_transient else GiveUp)


@pytest.mark.parametrize("error_class", TRANSIENT)
def test_tries_are_used_up(error_class: ErrorClass) -> None:
    assert next_try(error_class, retry.RULES[error_class].tries, 0.0) == GiveUp()


@given(
    st.sampled_from(TRANSIENT),
    st.integers(1, 7),
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.none(), st.integers(0, 7200)),
)
def test_a_delay_respects_the_platform_and_its_bounds(
    error_class: ErrorClass, attempt: int, chance: float, after: int | None
) -> None:
    retry_after = None if after is None else timedelta(seconds=after)
    decision = next_try(
        error_class, min(attempt, retry.RULES[error_class].tries - 1), chance, retry_after=retry_after
    )
    assert isinstance(decision, TryAgain)
    rule = retry.RULES[error_class]
    assert decision.delay >= (retry_after or timedelta(0))
    assert decision.delay <= rule.most + (retry_after or timedelta(0))


@pytest.mark.parametrize("error_class", [ErrorClass.CAPACITY, ErrorClass.QUOTA])
@pytest.mark.parametrize("attempt", [1, 7, 8, 100])
def test_a_lack_is_waited_for_without_a_limit(error_class: ErrorClass, attempt: int) -> None:
    rule = retry.RULES[error_class]
    assert timedelta(0) < retry.wait(error_class, attempt, 0.5).delay <= rule.most


@pytest.mark.parametrize("error_class", TRANSIENT)
def test_looks_go_on_without_a_limit_and_become_rare(error_class: ErrorClass) -> None:
    delays = []
    for looks in range(1, 12):
        decision = retry.look_again(error_class, looks, 0.0)
        assert isinstance(decision, TryAgain)
        delays.append(decision.delay)
    assert delays == sorted(delays)
    longest = timedelta(minutes=1 if error_class is ErrorClass.UNKNOWN else 30) / 2
    assert delays[-1] >= longest
    asked = retry.look_again(error_class, 1, 0.0, retry_after=timedelta(hours=1))
    assert isinstance(asked, TryAgain)
    assert asked.delay >= timedelta(hours=1)


def test_a_permanent_error_has_no_further_look() -> None:
    assert retry.look_again(ErrorClass.TEMPLATE, 1, 0.0) == GiveUp()


def test_looks_at_what_lasts_become_rare_within_bounds() -> None:
    minute = timedelta(minutes=1)

    def look(lasts: int) -> timedelta:
        return retry.until_look(lasts * minute, wait=minute, most=20 * minute, part=4)

    assert [look(lasts) for lasts in (0, 4, 12, 80, 900)] == [each * minute for each in (1, 1, 3, 20, 20)]


def test_a_message_that_is_sent_again_waits_longer_each_time_up_to_a_bound() -> None:
    delays = [
        retry.until_sent_again(times, 0.0).total_seconds() for times in (0, 1, 2, 3, 4, 5, 6, 99, 10**30)
    ]
    assert delays == [5, 10, 20, 40, 80, 150, 150, 150, 150]
    assert retry.until_sent_again(None, 0.0) == timedelta(seconds=150)
    assert retry.until_sent_again(1, 0.5) == timedelta(seconds=15)


@given(st.none() | st.integers(0, 200), st.floats(0, 1, exclude_max=True), st.integers(0, 7200))
def test_who_asks_to_wait_is_never_asked_before(times: int | None, chance: float, after: int) -> None:
    asked = timedelta(seconds=after)
    delay = retry.until_sent_again(times, chance, retry_after=asked)
    assert delay >= asked
    assert delay >= retry.until_sent_again(times, chance)
    assert delay <= 2 * max(asked, timedelta(seconds=150))


@given(st.floats(60, 43_200), st.lists(st.floats(0, 1, exclude_max=True), min_size=1))
def test_after_an_outage_a_message_is_five_minutes_late_at_most_and_came_few_times(
    seconds: float, chances: list[float]
) -> None:
    outage, passed, times = timedelta(seconds=seconds), timedelta(0), 0
    while passed < outage:
        passed += retry.until_sent_again(times, chances[times % len(chances)])
        times += 1
    assert passed - outage <= timedelta(minutes=5)
    assert times <= 5 + outage / timedelta(seconds=150)


def test_a_long_look_at_a_build_that_waits_for_hours_is_left_to_sweeps() -> None:
    minute = timedelta(minutes=1)
    cases = [(119, 30), (120, 4), (120, 5), (7200, 30)]
    left = [retry.is_left_to_sweeps(lasts * minute, delay * minute) for lasts, delay in cases]
    assert left == [False, False, True, True]


def test_delays_grow_and_jitter_spreads_them() -> None:
    first, second = (next_try(ErrorClass.NETWORK, attempt, 0.0) for attempt in (1, 2))
    assert isinstance(first, TryAgain)
    assert isinstance(second, TryAgain)
    assert second.delay == 2 * first.delay
    spread = next_try(ErrorClass.NETWORK, 1, 0.99)
    assert isinstance(spread, TryAgain)
    assert spread.delay > first.delay


MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        ("Mon-Fri 06:00-20:00 UTC", MONDAY.replace(hour=6), True),
        ("Mon-Fri 06:00-20:00 UTC", MONDAY.replace(hour=20), False),
        ("Mon-Fri 06:00-20:00 UTC", NOW, False),
        ("Mon-Fri 06:00-20:00 Europe/Amsterdam", MONDAY.replace(hour=5), True),
        ("Sat 00:00-23:59 UTC", NOW, True),
        ("Sat-Mon 09:00-17:00 UTC", MONDAY.replace(hour=9), True),
        ("Sat-Mon 09:00-17:00 UTC", MONDAY.replace(day=24, hour=9), False),
        ("Fri 22:00-04:00 UTC", datetime(2026, 11, 21, 3, tzinfo=UTC), True),
        ("Fri 22:00-04:00 UTC", datetime(2026, 11, 20, 23, tzinfo=UTC), True),
        ("Fri 22:00-04:00 UTC", datetime(2026, 11, 20, 3, tzinfo=UTC), False),
        ("Fri 22:00-04:00 UTC", datetime(2026, 11, 21, 5, tzinfo=UTC), False),
    ],
)
def test_a_window_is_open_on_its_days_and_hours(window: str, moment: datetime, inside: bool) -> None:
    assert parse_window(window).contains(moment) is inside


@pytest.mark.parametrize(
    "text",
    [
        "",
        "always",
        "Mon-Fri 6-20 UTC",
        "Mon 29:00-30:00 UTC",
        "Foo 06:00-20:00 UTC",
        "Mon-Foo 06:00-20:00 UTC",
        "Mon 06:00-20:00 Mars/Olympus",
        "Mon 06:00-20:00 ../../etc/passwd",
    ],
)
def test_what_is_not_a_window_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_window(text)


def _reason(kind: ReasonKind) -> RebuildReason:
    return RebuildReason(kind=kind)


@pytest.mark.parametrize(
    ("kinds", "parent_lane", "lane"),
    [
        ([], None, Lane.BACKGROUND),
        ([ReasonKind.PARENT_CHANGED], None, Lane.BACKGROUND),
        ([ReasonKind.PARENT_CHANGED], Lane.SECURITY, Lane.SECURITY),
        ([ReasonKind.REFRESH_DUE, ReasonKind.BUNDLE_CHANGED], None, Lane.HUMAN),
        ([ReasonKind.BUNDLE_CHANGED, ReasonKind.SOURCE_CHANGED], None, Lane.SECURITY),
    ],
)
def test_the_most_urgent_reason_chooses_the_lane(
    kinds: list[ReasonKind], parent_lane: Lane | None, lane: Lane
) -> None:
    assert lane_of([_reason(kind) for kind in kinds], parent_lane) is lane


def test_a_reason_reads_as_a_change() -> None:
    assert str(reasons.RebuildReason(kind=ReasonKind.REFRESH_DUE)) == "refresh-due"
    assert str(reasons.RebuildReason(kind=ReasonKind.REFRESH_DUE, new="2")) == "refresh-due: none -> 2"


def _pending(team: str, number: int) -> PendingBuild:
    identity = BuildId(f"image-{number}.aaaaaaaaaaaa.1")
    return PendingBuild(key=f"0-{number:02d}", build=identity, team=TeamName(team))


def test_the_longest_chain_of_the_most_urgent_lane_goes_first() -> None:
    one = BuildId("a.aaaaaaaaaaaa.1")
    keys = [
        dispatch.priority_key(Lane.SECURITY, 3, NOW, one),
        dispatch.priority_key(Lane.SECURITY, 1, NOW, one),
        dispatch.priority_key(Lane.SECURITY, 1, NOW + timedelta(seconds=1), one),
        dispatch.priority_key(Lane.HUMAN, 200, NOW, one),
        dispatch.priority_key(Lane.BACKGROUND, 0, NOW, one),
    ]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("slots", "used", "creates", "limit", "chosen"),
    [
        ((0, 1, 2), {}, 10, 10, [1, 2, 3]),
        ((4,), {}, 10, 10, [1]),
        ((), {}, 10, 10, []),
        ((0, 1, 2), {}, 1, 10, [1]),
        ((0, 1, 2), {}, 0, 10, []),
        ((0, 1, 2), {}, 10, 1, [1, 3]),
        ((0, 1, 2), {"a": 1}, 10, 1, [3]),
    ],
)
def test_builds_are_chosen_within_every_limit(
    slots: tuple[int, ...], used: dict[str, int], creates: int, limit: int, chosen: list[int]
) -> None:
    capacity = Capacity(
        free_slots=slots,
        by_team={TeamName(team): count for team, count in used.items()},
        creates_left=creates,
    )
    pending = [_pending("a", 1), _pending("a", 2), _pending("b", 3)]
    pairs = dispatch.choose(pending, capacity, limit).starts
    assert [int(one.key[2:]) for one, _ in pairs] == chosen
    assert [slot for _, slot in pairs] == list(slots)[: len(chosen)]


def test_journal_keys_sort_by_time() -> None:
    assert entry_key(NOW, "zz") < entry_key(NOW + timedelta(microseconds=1), "aa")
