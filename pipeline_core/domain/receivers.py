"""Who is notified: the receivers of a team, which are the webhooks of its definitions, and SecOps' for the whole fleet.

Pure. An address may hold a token in its path, so texts for people show its scheme and host only.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from pipeline_core.domain.cursors import RECEIVER
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import TeamName

# What SecOps hears of with `alerts`: something is wrong, or a person must act.
ALERTS = frozenset(
    {
        Event.STALLED,
        Event.BREAKER_OPENED,
        Event.BREAKER_CLOSED,
        Event.LATE,
        Event.CAMPAIGN_STALLED,
        Event.UNPROVEN,
        Event.RELEASE_WITHDRAWN,
        Event.RECEIVER_OFF,
    }
)
OF_FACTORY = frozenset({Event.FACTORY_PAUSED, Event.FACTORY_RESUMED})


@dataclass(frozen=True, slots=True, order=True)
class ReceiverId:
    """`TEAM--HASH`, or `HASH` alone for a receiver of SecOps: one address of one owner. It does not show the address.

    Two teams with the same address are two receivers, each with a secret of its own.
    """

    value: str
    pattern: ClassVar[re.Pattern[str]] = re.compile(RECEIVER, re.ASCII)

    def __post_init__(self) -> None:
        if not self.pattern.fullmatch(self.value):
            raise InvalidValue(
                "an id of a receiver", self.value, "an id that `imagefactory notify list` prints"
            )

    def __str__(self) -> str:
        return self.value

    @classmethod
    def of(cls, url: str, team: TeamName | None) -> "ReceiverId":
        """The id of an address of this team, or of SecOps (None)."""
        name = hashlib.sha256(f"{team or ''}\n{url}".encode()).hexdigest()[:16]
        return cls(name if team is None else f"{team}--{name}")

    @property
    def team(self) -> TeamName | None:
        """The team that owns the receiver; None for SecOps."""
        team, mark, _ = self.value.rpartition("--")
        return TeamName(team) if mark else None

    @property
    def secret_name(self) -> str:
        """The name of its signing secret in the vault: letters, digits and dashes, at most 88 characters."""
        return f"{SECRET_PREFIX}{self.value}"


SECRET_PREFIX = "notify-"  # noqa: S105 - the beginning of names; the factory writes no other secret


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReceiver:
    """A receiver of SecOps: `events` of every image, and with `bases` every event of images from the Marketplace."""

    url: str
    events: frozenset[Event] = frozenset()
    bases: bool = False

    @property
    def id(self) -> ReceiverId:
        """The receiver's id."""
        return ReceiverId.of(self.url, None)

    @property
    def has_alerts(self) -> bool:
        """True where it wants every alarm."""
        return self.events >= ALERTS

    @property
    def wish(self) -> str:
        """What it wants, in words."""
        alone = self.events - ALERTS if self.has_alerts else self.events
        words = ["every alarm"] if self.has_alerts else []
        words += ["every event of bases"] if self.bases else []
        return ", ".join([*words, *sorted(event.value for event in alone)])

    def wants(self, event: Event, *, is_base: bool) -> bool:
        """True where this event of such an image is sent to it. What happens to the factory itself always is."""
        return event in OF_FACTORY or event in self.events or (self.bases and is_base)


def place_of(url: str) -> str:
    """Scheme and host of an address, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}"
