"""An image with receivers, and what a test needs of them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pipeline_core.domain.feeds import Feed, FeedItem
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.ports import WebAnswer
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

A, B, C = (f"https://hooks.factory.corp/{name}" for name in "abc")
TAKEN = WebAnswer(status=204, body=b"")
TEAM = TeamName("secops")


def hook(url: str, *events: str) -> dict[str, Any]:
    """A webhook of a definition."""
    return {"webhook": url, "events": list(events) or ["image.published"]}


def receiver(url: str) -> ReceiverId:
    """The receiver of the base's team at this address."""
    return ReceiverId.of(url, TEAM)


def registered(*hooks: Mapping[str, Any], answers: Mapping[str, Any] | None = None) -> SimulatedWorld:
    """A base with these webhooks, whose receivers have their secrets; nothing of its build was delivered yet."""
    made = scenes.registered({})
    made.ports.web.answers.update({each["webhook"]: TAKEN for each in hooks} | dict(answers or {}))
    register(made, *hooks)
    for each in hooks:
        made.parts.notify.receivers.fanout.ensure(receiver(each["webhook"]), each["webhook"])
        made.factory.receivers.rotate(receiver(each["webhook"]), ADMIN)
    return made


def register(made: SimulatedWorld, *hooks: Mapping[str, Any], content: str = "content") -> None:
    """Register the base with these webhooks, in place of what is registered."""
    document = fleet.document("rhel9-base", None)
    document["spec"]["notify"] = [dict(each) for each in hooks]
    old = scenes.images(made).find_head(BASE)
    made.factory.registrar.register(
        BASE,
        document,
        world.upload(made, content),
        ADMIN,
        expected=None if old is None else old.value.document_etag,
        create_only=old is None,
    )


def feed(made: SimulatedWorld, url: str) -> Feed:
    """The head of a receiver's feed."""
    return made.base.records.feeds.get(receiver(url)).value


def items(made: SimulatedWorld, url: str) -> Sequence[FeedItem]:
    """Every kept fact of a receiver's feed."""
    return made.base.records.feeds.list_items(receiver(url))


def posted(made: SimulatedWorld, url: str) -> list[dict[str, Any]]:
    """The events that were sent to an address, in order."""
    return [json.loads(each.body) for each in made.ports.web.posted if each.url == url]


def types(made: SimulatedWorld, url: str) -> list[str]:
    """The types of these events, without the factory's prefix."""
    return [each["type"].removeprefix("imagefactory.") for each in posted(made, url)]


def live(made: SimulatedWorld, span: timedelta) -> None:
    """Let time pass, with sweeps and messages."""
    end = made.ports.clock.now() + span
    while made.ports.clock.now() < end:
        made.factory.sweeper.sweep()
        until(made, min(end, made.ports.clock.now() + world.SWEEP))


def until(made: SimulatedWorld, end: Any) -> None:
    """Deliver what becomes visible before `end`, then be there."""
    while True:
        made.platform.advance()
        if made.host.deliver_one():
            continue
        moments = [made.ports.queues.next_visible(), made.platform.next_end()]
        later = min((moment for moment in moments if moment is not None), default=None)
        if later is None or later >= end:
            break
        made.ports.clock.set(max(made.ports.clock.now(), later))
    made.ports.clock.set(max(made.ports.clock.now(), end))


def signature(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """As a receiver verifies it, by the words of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
