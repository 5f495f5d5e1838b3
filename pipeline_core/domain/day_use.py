"""What a team has used of its limits on one day (UTC). Pure. Another day begins at zero."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, unique


@unique
class DayCount(Enum):
    """What is counted a day; the text is the key of the policy's limit."""

    REQUESTS = "requestsPerDay"  # rebuilds that members have asked for
    BUNDLES = "bundlesPerDay"  # bundles that members have stored and that were not there

    @property
    def deed(self) -> str:
        """What the team has done so often, for a sentence with a number before the last word."""
        return {DayCount.REQUESTS: "asked for {} builds", DayCount.BUNDLES: "stored {} bundles"}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUse:
    """The counts of one team and day."""

    day: date
    requests: int = 0
    bundles: int = 0

    def count(self, what: DayCount) -> int:
        """How often so far."""
        return self.requests if what is DayCount.REQUESTS else self.bundles

    def after(self, what: DayCount) -> "DayUse":
        """With one more."""
        if what is DayCount.REQUESTS:
            return replace(self, requests=self.requests + 1)
        return replace(self, bundles=self.bundles + 1)


def of_today(use: DayUse | None, now: datetime) -> DayUse:
    """The counts of this day; zero where the stored ones are of another day."""
    return use if use is not None and use.day == now.date() else DayUse(day=now.date())


def end_of_day(now: datetime) -> datetime:
    """When the next day begins."""
    return datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=UTC)
