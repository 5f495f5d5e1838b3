"""Notifications: signed, only what was asked for, and sent again until every receiver has taken it."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.ports import WebAnswer
from pipeline_core.wire.messages import NotificationMessage
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

HOOK, OTHER = "https://hooks.example.com/a", "https://hooks.example.com/b"
TAKEN = WebAnswer(status=202, body=b"")


def _told_world(*hooks: dict[str, Any]) -> SimulatedWorld:
    made = scenes.registered({})
    made.ports.secrets.set("webhook-signing-key", "secret")
    document = fleet.document("rhel9-base", None)
    document["spec"]["notify"] = list(hooks)
    bundle = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)
    return made


def _message(made: SimulatedWorld, event: Event) -> NotificationMessage:
    """The message about the newest entry of an event."""
    entries = [entry for entry in scenes.images(made).list_journal(BASE, limit=1000) if entry.event is event]
    return NotificationMessage(image=str(BASE), entry=entries[-1].key)


def _hook(url: str = HOOK, *events: str) -> dict[str, Any]:
    return {"webhook": url, "events": list(events) or ["image.published"]}


def test_a_published_image_is_sent_with_a_signature_over_the_body() -> None:
    made = _told_world(_hook())
    made.ports.web.answers[HOOK] = TAKEN
    made.drain()
    (posted,) = made.ports.web.posted
    wanted = hmac.new(b"secret", posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-ImageFactory-Signature"] == f"sha256={wanted}"
    assert posted.headers["Content-Type"] == "application/cloudevents+json"
    (build,) = scenes.builds(made, BASE)
    event = json.loads(posted.body)
    assert (event["specversion"], event["type"], event["subject"]) == (
        "1.0",
        "imagefactory.image.published",
        "rhel9-base",
    )
    assert event["id"] == _message(made, Event.PUBLISHED).entry
    assert event["data"]["version"] == str(build.version)
    assert event["data"]["build"] == str(build.id)
    assert event["data"]["reasons"] == [str(reason) for reason in build.reasons]


def test_only_the_events_that_a_webhook_wants_are_sent() -> None:
    made = _told_world(_hook(HOOK, "build.failed"), _hook(OTHER, "build.failed", "image.published"))
    made.ports.web.answers.update({HOOK: TAKEN, OTHER: TAKEN})
    made.drain()
    assert [posted.url for posted in made.ports.web.posted] == [OTHER]


def test_nobody_who_wants_an_event_means_no_secret_is_read() -> None:
    made = _told_world(_hook(HOOK, "build.failed"))
    made.drain()
    made.factory.notifier.deliver(_message(made, Event.PUBLISHED))
    assert made.ports.web.posted == []


@pytest.mark.parametrize(
    "answer",
    [
        WebAnswer(status=500, body=b""),
        WebAnswer(status=404, body=b""),
        TransientError(ErrorClass.NETWORK, "none"),
    ],
    ids=["broken", "not-found", "no-answer"],
)
def test_a_receiver_that_does_not_take_it_gets_it_again_later(answer: WebAnswer | TransientError) -> None:
    made = _told_world(_hook())
    made.ports.web.answers[HOOK] = answer
    scenes.until(made, lambda: bool(scenes.texts(made, "notification-requests")))
    message = _message(made, Event.PUBLISHED)
    with pytest.raises(TransientError):
        made.factory.notifier.deliver(message)
    made.ports.web.answers[HOOK] = TAKEN
    made.drain()
    assert made.ports.queues.names() == []
    assert {json.loads(posted.body)["id"] for posted in made.ports.web.posted} == {message.entry}


def test_all_get_it_again_where_one_refuses_and_the_id_lets_them_drop_doubles() -> None:
    made = _told_world(_hook(HOOK), _hook(OTHER))
    made.drain(limit=40)
    made.ports.web.posted.clear()
    made.ports.web.answers.update({HOOK: WebAnswer(status=503, body=b""), OTHER: TAKEN})
    scenes.until(made, lambda: Event.PUBLISHED in scenes.events(made, BASE))
    with pytest.raises(TransientError) as refused:
        made.factory.notifier.deliver(_message(made, Event.PUBLISHED))
    assert "1 of 2 webhooks of rhel9-base" in str(refused.value)
    assert refused.value.retry_after == timedelta(minutes=1)
    assert {posted.url for posted in made.ports.web.posted} == {HOOK, OTHER}


def test_a_message_without_an_entry_is_a_named_no_op() -> None:
    made = _told_world(_hook())
    for entry in ("20000101T000000000000-0", "99999999T000000000000-0"):
        made.factory.notifier.deliver(NotificationMessage(image=str(BASE), entry=entry))
        assert scenes.logged(made, "notification-without-entry", entry=entry)
    assert made.ports.web.posted == []


def test_an_image_that_was_unregistered_meanwhile_is_a_named_no_op() -> None:
    made = _told_world(_hook())
    made.ports.web.answers[HOOK] = TAKEN
    made.drain()
    made.ports.web.posted.clear()
    message = _message(made, Event.PUBLISHED)
    made.factory.registrar.unregister(BASE, ADMIN, str(scenes.head(made, BASE).registration.definition))
    made.factory.notifier.deliver(message)
    assert made.ports.web.posted == []


def test_without_a_signing_key_nothing_is_sent() -> None:
    made = _told_world(_hook())
    made.ports.web.answers[HOOK] = TAKEN
    made.drain()
    made.ports.web.posted.clear()
    scenes.rewired(
        made, secrets=scenes.Failing(inner=made.ports.secrets, name="get", errors=[NotFound("no key")])
    )
    with pytest.raises(PermanentError):
        made.factory.notifier.deliver(_message(made, Event.PUBLISHED))
    assert made.ports.web.posted == []
