"""What every grant has: the person or application who decided, when, and why. Names and texts are for people alone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline_core.domain.actors import Actor

SOON = timedelta(days=14)  # a grant that ends within this time is listed, and shown at its images


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDecision:
    """One decision about a grant, with the reason that was given. The identity of `by` is the token's."""

    by: Actor
    at: datetime
    reason: str

    @property
    def who(self) -> str:
        """The name, with the identity that proves it."""
        return self.by.name if self.by.identity is None else f"{self.by.name} ({self.by.identity})"


def has_ended(until: date | None, today: date) -> bool:
    """True behind the last day of a grant. Without a last day it never ends."""
    return until is not None and today > until


def ends_soon(until: date | None, today: date) -> bool:
    """True for a grant that holds today and ends within SOON."""
    return until is not None and today <= until <= today + SOON
