"""Rebuild windows: `Mon-Fri 06:00-20:00 Europe/Amsterdam`. Parsing and the question whether now is inside."""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime, time

from pipeline_core.domain.errors import InvalidValue

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_RULE = "days, hours and a time zone, like 'Mon-Fri 06:00-20:00 Europe/Amsterdam'"
_SHAPE = re.compile(
    r"(?P<first>[A-Z][a-z]{2})(-(?P<last>[A-Z][a-z]{2}))? "
    r"(?P<start>[0-2][0-9]:[0-5][0-9])-(?P<end>[0-2][0-9]:[0-5][0-9]) (?P<zone>[A-Za-z0-9_+/-]{1,64})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Days of the week (0 is Monday) and hours of the day in one time zone; it may cross midnight."""

    days: frozenset[int]
    start: time
    end: time
    zone: zoneinfo.ZoneInfo

    def contains(self, now: datetime) -> bool:
        """True where the aware time `now` is inside; a window that crosses midnight belongs to its first day."""
        local = now.astimezone(self.zone)
        clock = local.time()
        if self.start < self.end:
            return local.weekday() in self.days and self.start <= clock < self.end
        if clock >= self.start:
            return local.weekday() in self.days
        return clock < self.end and (local.weekday() - 1) % 7 in self.days


def parse_window(text: str) -> Window:
    """Raise InvalidValue where `text` is not a window or names an unknown day, hour or zone."""
    found = _SHAPE.fullmatch(text)
    if found is None or found["first"] not in _DAYS or (found["last"] or "Mon") not in _DAYS:
        raise InvalidValue("a window", text, _RULE)
    try:
        start, end = time.fromisoformat(found["start"]), time.fromisoformat(found["end"])
        zone = zoneinfo.ZoneInfo(found["zone"])
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise InvalidValue("a window", text, _RULE) from error
    first = _DAYS.index(found["first"])
    length = (_DAYS.index(found["last"]) - first) % 7 if found["last"] else 0
    return Window(
        days=frozenset((first + offset) % 7 for offset in range(length + 1)), start=start, end=end, zone=zone
    )
