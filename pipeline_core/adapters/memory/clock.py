"""A clock that does not move until a test moves it."""

from datetime import UTC, datetime, timedelta

_START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class ManualClock:
    """The time of a test or of the simulation. It never goes back by itself."""

    def __init__(self, start: datetime = _START) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The current time, aware and in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move on (or back, for a test of wrong clocks)."""
        self._now += by

    def set(self, now: datetime) -> None:
        """Jump to an aware time."""
        self._now = now.astimezone(UTC)
