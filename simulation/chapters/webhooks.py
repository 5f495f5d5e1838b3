"""Receivers of notifications fall sick in every way and get well again; others are well all the time.

Receivers that share an image, and images that share a receiver, must not hold each other up.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.errors import ErrorClass, FactoryError, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.ports import TableWrite, WebAnswer
from pipeline_core.state.history import TABLE, entry_of
from pipeline_core.state.images import ImageStore
from pipeline_core.state.notifications.feeds import FeedStore
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.teams import SECOPS, TEAMS
from simulation.region import EDGE
from simulation.world import ADMIN

if TYPE_CHECKING:
    from simulation.story import SeedStory

_WELL = WebAnswer(status=204, body=b"")
_SICK: tuple[WebAnswer | FactoryError, ...] = (
    TransientError(ErrorClass.NETWORK, "no answer"),
    TransientError(ErrorClass.NETWORK, "it took longer than 20 s"),
    PermanentError(ErrorClass.POLICY, "it redirects: give the final address"),
    WebAnswer(status=500, body=b""),
    WebAnswer(status=404, body=b""),
    WebAnswer(status=410, body=b""),
    WebAnswer(status=429, body=b"", retry_after=timedelta(minutes=50)),
)
_ALWAYS_WELL = ("https://well-0.factory.corp/", "https://well-1.factory.corp/")
_SOMETIMES_SICK = tuple(f"https://sick-{number}.factory.corp/" for number in range(3))
# Events that an image has while it is registered.
_EVENTS = (
    Event.REGISTERED,
    Event.REQUESTED,
    Event.QUEUED,
    Event.STARTED,
    Event.RETRIED,
    Event.FAILED,
    Event.CANCELLED,
    Event.SUPERSEDED,
    Event.PUBLISHED,
    Event.REUSED,
)
_MOST = (
    60  # times that one event is sent to one receiver between two replays: 30 tries a day, faults and doubles
)
# Times that one event is sent again while its receiver asks to wait: the answer was lost, or the process died.
_IN_A_WAIT = 3
_APART = timedelta(
    minutes=5
)  # entries so far apart in true time are in order, whatever the clocks of the hosts say


class SickReceivers(Chapter):
    """(19) Each event reaches all who want it, in order per image. (44) Nobody is asked without end, or in a wait."""

    name: ClassVar[str] = "webhooks"
    rate: ClassVar[float] = 0.6
    needs_sweep: ClassVar[bool] = True  # a delivery that was killed is found by the sweep

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._hooks: dict[str, tuple[str, ...]] = {}
        self._sent: Counter[tuple[str, str]] = Counter()  # by address and event, since the last replay
        self._reached: set[tuple[str, str]] = set()  # by address and event, where the receiver accepted
        # By address: image and entry, in the order of their first deliveries.
        self._first: dict[str, dict[tuple[str, str], None]] = {}
        self._committed: dict[tuple[str, str], datetime] = {}  # true times of journal entries
        self._rows: dict[tuple[str, str], str] = {}  # keys of their rows
        self._replayed: set[str] = set()
        # By address and event: until when its receiver asked to wait, and how often it was sent again before.
        self._waits: dict[tuple[str, str], tuple[datetime, int]] = {}

    def document(self, image: str) -> Mapping[str, Any]:
        """The receivers of an image never change, so everything that its journal has was wanted."""
        if image not in self._hooks:
            addresses = [*_ALWAYS_WELL, *_SOMETIMES_SICK]
            self.chance.shuffle(addresses)
            self._hooks[image] = tuple(addresses[: self.chance.choice((0, 1, 2, 3))])
        events = [event.value for event in _EVENTS]
        hooks = [{"webhook": url, "events": events} for url in self._hooks[image]]
        return {"notify": hooks} if hooks else {}

    def begin(self) -> None:
        """All are well, and have their secrets before the first event."""
        web = self.world.ports.web
        web.answers.update(dict.fromkeys([*_ALWAYS_WELL, *_SOMETIMES_SICK], _WELL))
        for url in (*_ALWAYS_WELL, *_SOMETIMES_SICK):
            for receiver in _receivers(url):
                self.world.ports.secrets.set(receiver.secret_name, f"whsec_{'A' * 43}=")

    def happenings(self) -> Sequence[Happening]:
        """Mostly illness."""
        return [(3, self._fall_ill), (2, self._get_well), (1, self._rotate)]

    def end(self) -> None:
        """All get well. Their owners switch them on and replay what was given up."""
        for url in _SOMETIMES_SICK:
            self._heal(url)

    def people_look(self) -> int:
        """An owner who finds dead letters, or a receiver switched off, replays."""
        return sum(self._heal(url) for url in (*_ALWAYS_WELL, *_SOMETIMES_SICK))

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Follow journal entries into their table, and deliveries out of the factory."""
        if name == "tables.write" and given[0] == "images":
            self._note(given[1])
        elif name == "web.post":
            self._look_at(given[0], json.loads(given[1]))

    def violations(self) -> Sequence[str]:
        """What did not reach a receiver, was sent too often, or was sent in another order than it happened."""
        return [*self._missed(), *self._too_often(), *self._disordered()]

    def _note(self, writes: Sequence[TableWrite]) -> None:
        for write in writes:
            entry = entry_of(write)
            if entry is not None:
                self._committed[(str(entry.image), entry.key)] = self.world.ports.clock.now()
                self._rows[(str(entry.image), entry.key)] = write.row.key

    def _look_at(self, url: str, event: Mapping[str, Any]) -> None:
        identity = (url, str(event["id"]))
        self._sent[identity] += 1
        place = (str(event["subject"]), str(event["data"]["entry"]))
        self._first.setdefault(url, {}).setdefault(place)
        answer = self.world.ports.web.answers.get(url)
        if answer == _WELL:
            self._reached.add(identity)
        self._demand_wait(identity, answer)

    def _demand_wait(self, identity: tuple[str, str], answer: WebAnswer | FactoryError | None) -> None:
        """(44) An event is not sent again while its receiver asks to wait."""
        now = self.world.ports.clock.now()
        until, again = self._waits.get(identity, (now, 0))
        if now < until - EDGE:
            self._waits[identity] = until, again + 1
            if again == _IN_A_WAIT:
                url, event = identity
                self.world.blame(
                    f"(44) {url} was sent {event} again and again before {until:%d %H:%M}: it asked to wait"
                )
        elif isinstance(answer, WebAnswer) and answer.retry_after is not None:
            self._waits[identity] = now + answer.retry_after, 0

    def _fall_ill(self) -> None:
        self.world.ports.web.answers[self.chance.choice(_SOMETIMES_SICK)] = self.chance.choice(_SICK)

    def _get_well(self) -> None:
        self._heal(self.chance.choice(_SOMETIMES_SICK))

    def _rotate(self) -> None:
        receiver = self.chance.choice(_receivers(self.chance.choice((*_ALWAYS_WELL, *_SOMETIMES_SICK))))
        self.story.insist(lambda: self.world.factory.receivers.rotate(receiver, ADMIN))

    def _needs_help(self, receiver: ReceiverId) -> bool:
        stored = FeedStore(self.world.ports.tables).find(receiver)
        return stored is not None and (stored.value.off is not None or stored.value.given_up > 0)

    def _heal(self, url: str) -> bool:
        self.world.ports.web.answers[url] = _WELL
        self._waits = {identity: wait for identity, wait in self._waits.items() if identity[0] != url}
        helpless = [each for each in _receivers(url) if self._needs_help(each)]
        for receiver in helpless:
            self._replayed.add(url)
            for identity in [each for each in self._sent if each[0] == url]:
                del self._sent[identity]
            self.story.insist(partial(self.world.factory.receivers.enable, receiver, ADMIN))
        return bool(helpless)

    def _missed(self) -> list[str]:
        """(19) Each event reaches every receiver that wants it at least once."""
        images, wanted = ImageStore(self.world.ports.tables), {event.value for event in _EVENTS}
        found: list[str] = []
        for image, addresses in sorted(self._hooks.items()):
            for entry in images.list_journal(ImageName(image), limit=5000) if addresses else ():
                if entry.event.value not in wanted:
                    continue
                found += [
                    f"(19) {url} never got {entry.event.value} of {image} ({entry.key})"
                    for url in addresses
                    if (url, f"{image}.{entry.key}") not in self._reached
                ]
        return found

    def _too_often(self) -> list[str]:
        """(19) Nobody is asked without end."""
        return [
            f"(19) {url} was sent {identity} {count} times, {_MOST} are the most"
            for (url, identity), count in sorted(self._sent.items())
            if count > _MOST
        ]

    def _disordered(self) -> list[str]:
        """(19) Events of one image are first sent in their order, to a receiver for which nothing was replayed.

        An entry that cannot be read stops nothing but itself, so it may come late. The others are still in order.
        """
        found: list[str] = []
        for url, places in sorted(self._first.items()):
            newest: dict[str, tuple[datetime, str]] = {}
            for image, entry in places if url not in self._replayed else ():
                at = self._committed.get((image, entry))
                if at is None:
                    continue
                before, other = newest.get(image, (at, entry))
                if at + _APART < before and not self._was_unreadable(image, entry):
                    found.append(f"(19) {url} got {image} {entry} after {other}, which is later")
                newest[image] = max((at, entry), (before, other))
        return found

    def _was_unreadable(self, image: str, entry: str) -> bool:
        return (TABLE, image, self._rows[(image, entry)]) in self.world.unreadable


def _receivers(url: str) -> Sequence[ReceiverId]:
    """The receivers at an address, one for each team."""
    return [ReceiverId.of(url, TeamName(team)) for team in (SECOPS, *TEAMS)]
