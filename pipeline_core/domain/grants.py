"""What every grant has: the person or application who decided, when, and why. Names and texts are for people alone."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

SOON = timedelta(days=14)  # a grant that ends within this time is listed, and shown at its images
_LONGEST_NAME = 100  # characters
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grantor:
    """Who decided. `subject` is the object id of the verified token; `name` is what the token shows, and proves
    nothing."""

    subject: str
    name: str

    def __str__(self) -> str:
        """The name with the id that proves it."""
        return f"{self.name} ({self.subject})"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDecision:
    """One decision about a grant, with the reason that was given."""

    by: Grantor
    at: datetime
    reason: str


def grantor_of(subject: str, name: str) -> Grantor:
    """The caller of a verified token. Its display name is cut, and loses what a screen does not show."""
    return Grantor(subject=subject, name=_UNSEEN.sub(" ", name)[:_LONGEST_NAME])


def has_ended(until: date | None, today: date) -> bool:
    """True behind the last day of a grant. Without a last day it never ends."""
    return until is not None and today > until


def ends_soon(until: date | None, today: date) -> bool:
    """True for a grant that holds today and ends within SOON."""
    return until is not None and today <= until <= today + SOON
