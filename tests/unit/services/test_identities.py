"""Whatever a person changes, an identity is written down beside the name: another person of that name is another."""

from pipeline_core.domain import access
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import FleetReceiver
from pipeline_core.ports import Principal
from simulation import fleet
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.notify import receiving
from tests.unit.services.notify.receiving import A, hook
from tests.unit.services.scenes import BASE

# The name is the one of `world.ADMIN`, and says nothing; it is also too long and hides something.
EVE = Principal(
    subject="e-v-e",
    name="Admin\u202e" + "x" * 9_000,
    roles=frozenset({access.ADMIN}),
    tenant="t",
    client="cli",
)
IDENTITY = "user:e-v-e@t"


def _lines(made: SimulatedWorld, event: Event, image: ImageName = BASE) -> list[str | None]:
    """The identities in the journal's lines of this event, whose names are bounded and clean."""
    found = [each for each in scenes.images(made).list_journal(image, limit=1000) if each.event is event]
    assert all(len(each.actor) <= 100 and "\u202e" not in each.actor for each in found)
    return [each.identity for each in found]


def test_a_registration_and_a_deletion() -> None:
    made = scenes.registered({"rhel9-base": None})
    digest, content = fleet.bundle("content")
    made.factory.registrar.store_bundle(digest, content, EVE)
    app = ImageName("app")
    done = made.factory.registrar.register(
        app, fleet.document("app", "rhel9-base"), digest, EVE, expected=None, create_only=True
    )
    made.drain()
    head = scenes.images(made).get_head(app).value
    made.factory.registrar.unregister(app, EVE, head.document_etag)
    assert done.created
    assert _lines(made, Event.REGISTERED, app) == [IDENTITY]
    assert _lines(made, Event.UNREGISTERED, app) == [IDENTITY]
    for event in ("image-registered", "image-unregistered"):
        assert scenes.logged(made, event, image="app", actor=IDENTITY)


def test_a_rebuild_and_a_cancellation() -> None:
    made = scenes.settled({"rhel9-base": None})
    answer = made.factory.requests.request(BASE, EVE, "a test", "key")
    assert answer.build is not None
    cancelled = made.factory.canceller.cancel(answer.build, EVE, "a test")
    assert cancelled.cancel is not None
    assert cancelled.cancel.identity == IDENTITY
    assert _lines(made, Event.REQUESTED) == [IDENTITY]
    assert _lines(made, Event.CANCEL_REQUESTED) == [IDENTITY]
    assert scenes.logged(made, "rebuild-requested", image="rhel9-base", actor=IDENTITY)
    assert scenes.logged(made, "cancel-requested", build_id=str(answer.build), actor=IDENTITY)


def test_the_policy() -> None:
    made = scenes.registered({"rhel9-base": None})
    document = {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": {}}
    made.factory.policy.put(document, EVE, expected=None, create_only=True)
    (version,) = made.factory.policy.versions(limit=10)
    assert version.identity == IDENTITY
    assert len(version.actor) == 100
    logged = made.base.effects.recovery_log.policies()
    assert [entry.to_domain().identity for entry in logged] == [IDENTITY]


def test_a_poisoned_message() -> None:
    made = scenes.registered({"rhel9-base": None})
    for _ in range(2):
        made.factory.poison.record("rebuild-requests", '{"v": 1, "image": "rhel9-base", "reason": "x"}')
    first, second = made.factory.poison_review.page(EVE).records
    made.factory.poison_review.requeue(first.key, EVE)
    made.factory.poison_review.dismiss(second.key, EVE)
    assert {each.closed_identity for each in made.factory.poison_review.page(EVE).records} == {IDENTITY}


def test_a_receiver() -> None:
    made = receiving.registered(hook(A))
    made.drain()
    receiver = receiving.receiver(A)
    made.factory.receivers.disable(receiver, EVE, "a test")
    feed = made.base.records.feeds.get(receiver).value
    assert feed.off is not None
    assert feed.off.identity == IDENTITY
    assert IDENTITY in made.factory.receivers.show(receiver).detail
    made.factory.receivers.enable(receiver, EVE)
    made.factory.receivers.rotate(receiver, EVE)
    made.factory.receivers.replay(receiver, EVE, None)
    made.factory.receivers.add(FleetReceiver(url=A, bases=True), EVE)
    made.factory.receivers.remove(FleetReceiver(url=A).id, EVE)
    for event in (
        "receiver-switched-off",
        "receiver-switched-on",
        "receiver-secret-rotated",
        "receiver-replayed",
        "fleet-receiver-added",
        "fleet-receiver-removed",
    ):
        assert scenes.logged(made, event, actor=IDENTITY), event
    assert _lines(made, Event.RECEIVER_OFF) == _lines(made, Event.RECEIVER_ON) == [IDENTITY]
