"""NCRONTAB schedules as Azure Functions reads them: six fields from seconds to day of week, in UTC.

Five fields mean second 0. Day of month and day of week must *both* match, in NCrontab, unlike Unix cron. Pure: the
time is an argument.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_PART = re.compile(r"^(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?$")
# A 29 February on a given weekday comes at most 40 years after the one before (if a leap year is skipped).
_HORIZON = timedelta(days=366 * 41)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    title: str
    lowest: int
    highest: int
    names: Mapping[str, int]


_FIELDS = (
    _Field(title="second", lowest=0, highest=59, names={}),
    _Field(title="minute", lowest=0, highest=59, names={}),
    _Field(title="hour", lowest=0, highest=23, names={}),
    _Field(title="day", lowest=1, highest=31, names={}),
    _Field(title="month", lowest=1, highest=12, names=_MONTHS),
    _Field(title="day of week", lowest=0, highest=6, names=_DAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times at which a timer fires. `parse_schedule` makes it."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first time strictly after `moment` (aware). Raises ValueError if there is none."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        end = day + _HORIZON
        while day < end:
            if self._is_due_on(day):
                found = self._first_on(day, start)
                if found is not None:
                    return found
            day += timedelta(days=1)
        raise ValueError(f"the schedule {self.text!r} never fires: no such day exists")

    def is_faster_than(self, period: timedelta, moment: datetime) -> bool:
        """Whether two of the five firings after `moment` are less than `period` apart."""
        earlier = self.next_after(moment)
        for _ in range(4):
            later = self.next_after(earlier)
            if later - earlier < period:
                return True
            earlier = later
        return False

    def _is_due_on(self, day: datetime) -> bool:
        weekday = (day.weekday() + 1) % 7  # Sunday is 0 here, 6 in Python
        return day.month in self.months and day.day in self.days and weekday in self.weekdays

    def _first_on(self, day: datetime, start: datetime) -> datetime | None:
        for hour in self.hours:
            if day.replace(hour=hour, minute=59, second=59) < start:
                continue
            for minute in self.minutes:
                if day.replace(hour=hour, minute=minute, second=59) < start:
                    continue
                for second in self.seconds:
                    found = day.replace(hour=hour, minute=minute, second=second)
                    if found >= start:
                        return found
        return None


def parse_schedule(text: str) -> Schedule:
    """The schedule in `text`. Raises ValueError, which names the wrong field."""
    words = text.split()
    if len(words) == 5:
        words = ["0", *words]
    if len(words) != 6:
        raise ValueError(
            f"the schedule {text!r} has {len(words)} fields; NCRONTAB has six: "
            "second minute hour day month day-of-week, such as '0 */5 * * * *'"
        )
    values = [_parse_field(word, field, text) for word, field in zip(words, _FIELDS, strict=True)]
    schedule = Schedule(
        text=text,
        seconds=values[0],
        minutes=values[1],
        hours=values[2],
        days=frozenset(values[3]),
        months=frozenset(values[4]),
        weekdays=frozenset(values[5]),
    )
    schedule.next_after(
        datetime(2000, 1, 1, tzinfo=UTC)
    )  # a schedule that never fires is a mistake, and is reported now
    return schedule


def _parse_field(word: str, field: _Field, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in word.split(","):
        found.update(_parse_part(part, field, text))
    return tuple(sorted(found))


def _parse_part(part: str, field: _Field, text: str) -> range:
    match = _PART.match(part)
    if match is None:
        raise ValueError(f"the schedule {text!r} has {part!r} as its {field.title}; write 5, 1-5, */5 or 1,2")
    step = int(match["step"] or 1)
    if match["first"] == "*":
        if match["last"] is not None or step < 1:
            raise ValueError(f"the schedule {text!r} has {part!r} as its {field.title}, which means nothing")
        return range(field.lowest, field.highest + 1, step)
    first = _parse_number(match["first"], field, text)
    if match["last"] is not None:
        last = _parse_number(match["last"], field, text)
    else:
        last = field.highest if match["step"] else first  # 5/15 runs to the end of the field
    if last < first or step < 1:
        raise ValueError(f"the schedule {text!r} has {part!r} as its {field.title}, which runs backwards")
    return range(first, last + 1, step)


def _parse_number(word: str, field: _Field, text: str) -> int:
    number = field.names.get(word[:3].lower(), -1) if not word.isdigit() else int(word)
    if not field.lowest <= number <= field.highest:
        raise ValueError(
            f"the schedule {text!r} has {word!r} as its {field.title}; "
            f"it goes from {field.lowest} to {field.highest}"
        )
    return number
