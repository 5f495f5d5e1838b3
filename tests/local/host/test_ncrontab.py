"""NCRONTAB as a truth table. No test here waits."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from local.host.timers.ncrontab import parse_schedule

NEXT = [
    # schedule, from (a Saturday), the time it fires next
    ("* * * * * *", "2026-11-21 11:59:59", "2026-11-21 12:00:00"),
    ("*/2 * * * * *", "2026-11-21 12:00:00", "2026-11-21 12:00:02"),
    ("0 */5 * * * *", "2026-11-21 12:00:00", "2026-11-21 12:05:00"),
    ("0 */5 * * * *", "2026-11-21 12:04:59", "2026-11-21 12:05:00"),
    ("*/5 * * * *", "2026-11-21 12:04:59", "2026-11-21 12:05:00"),
    ("0 0 * * * *", "2026-11-21 23:00:00", "2026-11-22 00:00:00"),
    ("30 15 4 * * *", "2026-11-21 04:15:30", "2026-11-22 04:15:30"),
    ("0 0 9-17 * * *", "2026-11-21 17:00:00", "2026-11-22 09:00:00"),
    ("0 0 8-18/4 * * *", "2026-11-21 12:00:00", "2026-11-21 16:00:00"),
    ("0 5/20 * * * *", "2026-11-21 12:45:00", "2026-11-21 13:05:00"),
    ("0 1,31 * * * *", "2026-11-21 12:01:00", "2026-11-21 12:31:00"),
    ("0 30 9 * * 1-5", "2026-11-21 00:00:00", "2026-11-23 09:30:00"),
    ("0 30 9 * * Mon-Fri", "2026-11-20 09:30:00", "2026-11-23 09:30:00"),
    ("0 0 0 * * sun", "2026-11-21 12:00:00", "2026-11-22 00:00:00"),
    ("0 0 0 1 Jan *", "2026-11-21 12:00:00", "2027-01-01 00:00:00"),
    ("0 0 0 1 January *", "2026-11-21 12:00:00", "2027-01-01 00:00:00"),
    ("0 0 0 29 2 *", "2026-11-21 12:00:00", "2028-02-29 00:00:00"),
    ("0 0 0 31 * *", "2026-11-21 12:00:00", "2026-12-31 00:00:00"),
    ("0 0 0 13 * 5", "2026-11-21 12:00:00", "2027-08-13 00:00:00"),  # both must match: a Friday the 13th
    ("0 0 0 29 2 1", "2096-03-01 00:00:00", "2112-02-29 00:00:00"),  # over 2100, which is not a leap year
]


@pytest.mark.parametrize(("schedule", "moment", "expected"), NEXT)
def test_next_firing(schedule: str, moment: str, expected: str) -> None:
    found = parse_schedule(schedule).next_after(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_fraction_of_a_second_counts_as_before_the_next_second() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 1, 999_999, tzinfo=UTC)
    assert parse_schedule("*/2 * * * * *").next_after(moment) == datetime(2026, 11, 21, 12, 0, 2, tzinfo=UTC)


def test_times_are_utc_whatever_the_zone_of_the_moment() -> None:
    moment = datetime(2026, 11, 21, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert parse_schedule("0 0 0 * * *").next_after(moment) == datetime(2026, 11, 21, tzinfo=UTC)


WRONG = [
    ("", "0 fields"),
    ("* * * *", "4 fields"),
    ("* * * * * * *", "7 fields"),
    ("00:00:05", "1 fields"),
    ("60 * * * * *", "second"),
    ("0 60 * * * *", "minute"),
    ("0 0 24 * * *", "hour"),
    ("0 0 0 0 * *", "day"),
    ("0 0 0 * 13 *", "month"),
    ("0 0 0 * * 7", "day of week"),
    ("0 0 0 * foo *", "month"),
    ("0 9-5 * * * *", "backwards"),
    ("0 */0 * * * *", "means nothing"),
    ("0 1,, * * * *", "minute"),
    ("0 *-5 * * * *", "means nothing"),
    ("0 0 0 30 2 *", "never fires"),
    ("0 0 0 31 4,6,9,11 *", "never fires"),
]


@pytest.mark.parametrize(("schedule", "complaint"), WRONG)
def test_a_wrong_schedule_is_refused_with_its_field(schedule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("*/2 * * * * *", True),
        ("0,30 * * * * *", True),
        ("0 * * * * *", False),
        ("0 */5 * * * *", False),
        ("0 0 3 * * *", False),
    ],
)
def test_only_schedules_under_a_minute_are_faster_than_one(schedule: str, expected: bool) -> None:
    moment = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert parse_schedule(schedule).is_faster_than(timedelta(minutes=1), moment) is expected
