"""What people do with receivers: secrets, trials, rights, and what an image says about its receivers."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.receivers import ALERTS, FleetReceiver, ReceiverId
from pipeline_core.services.notify import receivers as module
from pipeline_core.state import images as records
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.notify import receiving
from tests.unit.services.notify.receiving import TAKEN, A, B, C, hook
from tests.unit.services.scenes import BASE

ID = receiving.receiver(A)
DAY = timedelta(days=1)


def _unsigned(*, allowed: bool) -> SimulatedWorld:
    """A base with one receiver that has no secret."""
    made = scenes.registered({})
    if allowed:
        deployment = replace(scenes.deployment_of(made), allows_unsigned=True)
        made.rewire(foundation_of(scenes.ports_of(made), deployment, scenes.LIMITS))
    made.ports.web.answers[A] = TAKEN
    receiving.register(made, hook(A))
    receiving.live(made, timedelta(hours=2))
    return made


def _kinds(made: SimulatedWorld) -> list[tuple[str, str]]:
    held = made.factory.queries.image(BASE).image.conditions
    return [(each.type.value, each.reason) for each in held]


def test_a_delivery_is_signed_as_standard_webhooks_say() -> None:
    made = receiving.registered(hook(A))
    secret = made.factory.receivers.rotate(ID, ADMIN)
    made.drain()
    (sent,) = made.ports.web.posted
    assert secret.startswith("whsec_")
    assert receiving.signature(secret, sent.headers, sent.body) in sent.headers["webhook-signature"].split(
        " "
    )
    assert sent.headers["Content-Type"] == "application/cloudevents+json; charset=UTF-8"
    assert int(sent.headers["webhook-timestamp"]) == int(receiving.feed(made, A).accepted_at.timestamp())  # type: ignore[union-attr]  # it was accepted
    event = json.loads(sent.body)
    assert {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"} == set(event)
    assert (event["specversion"], event["type"], event["subject"]) == (
        "1.0",
        "imagefactory.image.published",
        "rhel9-base",
    )


def test_for_a_day_after_a_rotation_both_secrets_sign() -> None:
    made = receiving.registered(hook(A, "build.late"))
    old = made.factory.receivers.rotate(ID, ADMIN)
    new = made.factory.receivers.rotate(ID, ADMIN)
    assert old != new
    for expected in ((new, old), (new,)):
        entry = made.base.effects.journal.of_image(BASE, Event.LATE)
        made.base.records.images.commit([records.add_entry(entry)])
        made.drain()
        sent = made.ports.web.posted[-1]
        wanted = [receiving.signature(each, sent.headers, sent.body) for each in expected]
        assert sent.headers["webhook-signature"].split(" ") == wanted
        made.ports.clock.advance(DAY)


def test_no_secret_is_in_a_table_a_message_or_a_log_line() -> None:
    made = receiving.registered(hook(A))
    secret = made.factory.receivers.rotate(ID, ADMIN)
    made.drain()
    stored = json.dumps([str(feed) for feed in (receiving.feed(made, A), *receiving.items(made, A))])
    lines = " ".join(str(line.fields) for line in made.ports.logs.lines)
    assert secret not in stored + lines


def test_without_a_secret_nothing_is_sent_and_the_image_says_so() -> None:
    made = _unsigned(allowed=False)
    assert receiving.posted(made, A) == []
    assert _kinds(made) == [("ReceiverUnsigned", "NoSecret")]
    assert receiving.feed(made, A).failing_since is None
    made.factory.receivers.rotate(ID, ADMIN)
    receiving.live(made, timedelta(minutes=20))
    assert receiving.types(made, A) == ["image.published"]
    assert _kinds(made) == []


def test_the_setting_allows_unsigned_deliveries() -> None:
    made = _unsigned(allowed=True)
    (sent,) = made.ports.web.posted
    assert "webhook-signature" not in sent.headers
    assert _kinds(made) == [("ReceiverUnsigned", "SentUnsigned")]


def test_a_secret_that_somebody_deleted_is_asked_for_again() -> None:
    made = receiving.registered(hook(A))
    scenes.rewired(
        made, secrets=scenes.Failing(inner=made.ports.secrets, name="get", errors=[NotFound("no secret")])
    )
    receiving.live(made, timedelta(minutes=50))
    assert "gone from the vault" in receiving.feed(made, A).trouble
    assert receiving.feed(made, A).failing_since is None


def test_a_vault_that_is_down_delays_and_blames_nobody() -> None:
    made = receiving.registered(hook(A))
    scenes.rewired(
        made, secrets=scenes.Failing(inner=made.ports.secrets, name="get", errors=[scenes.transient()] * 3)
    )
    receiving.live(made, timedelta(hours=2))
    assert receiving.types(made, A) == ["image.published"]


def test_a_secret_survives_the_loss_of_the_tables() -> None:
    made = scenes.registered({})
    made.ports.secrets.set(ID.secret_name, "whsec_" + "A" * 44)
    receiving.register(made, hook(A))
    made.ports.web.answers[A] = TAKEN
    made.drain()
    assert "webhook-signature" in made.ports.web.posted[-1].headers


@pytest.mark.parametrize("deed", ["rotate", "disable", "enable", "replay", "test"])
def test_others_cannot_change_a_receiver(deed: str) -> None:
    made = receiving.registered(hook(A))
    stranger = scenes.principal("evil")
    arguments = {"disable": ("",), "replay": (None,)}.get(deed, ())
    before = receiving.feed(made, A)
    with pytest.raises(PermanentError) as refused:
        getattr(made.factory.receivers, deed)(ID, stranger, *arguments)
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert receiving.feed(made, A) == before


def test_a_team_cannot_touch_what_secops_added() -> None:
    made = scenes.registered({})
    made.factory.receivers.add(FleetReceiver(url=C, bases=True), ADMIN)
    member = scenes.principal("secops")
    fleet = ReceiverId.of(C, None)
    for deed in (
        lambda: made.factory.receivers.rotate(fleet, member),
        lambda: made.factory.receivers.remove(fleet, member),
        lambda: made.factory.receivers.add(FleetReceiver(url=C, bases=True), member),
    ):
        with pytest.raises(PermanentError, match="SecOps"):
            deed()
    assert fleet in [each.id for each in made.factory.receivers.page().receivers]
    made.factory.receivers.remove(fleet, ADMIN)
    assert fleet not in [each.id for each in made.factory.receivers.page().receivers]
    for gone in (made.factory.receivers.remove, made.factory.receivers.enable):
        with pytest.raises(NotFound):
            gone(fleet, ADMIN)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.factory.corp/a",
        "https://10.0.0.1/a",
        "https://localhost/a",
        "https://u:p@a.example/",
        "https://[",
    ],
)
def test_secops_receivers_have_the_rules_of_a_definition(url: str) -> None:
    made = scenes.registered({})
    with pytest.raises(PermanentError) as refused:
        made.factory.receivers.add(FleetReceiver(url=url, bases=True), ADMIN)
    assert refused.value.error_class is ErrorClass.POLICY
    with pytest.raises(PermanentError, match="wants nothing"):
        made.factory.receivers.add(FleetReceiver(url=C), ADMIN)


def test_what_a_receiver_of_the_fleet_wants_is_shown() -> None:
    made = receiving.registered(hook(A))
    wanted = FleetReceiver(url=C, events=frozenset({Event.REUSED}), bases=True)
    assert made.factory.receivers.add(wanted, ADMIN).fleet == wanted
    listed = {each.id: each.fleet for each in made.factory.receivers.page().receivers}
    assert listed == {ID: None, wanted.id: wanted}
    assert made.factory.receivers.show(wanted.id).fleet == wanted
    assert made.factory.receivers.disable(wanted.id, ADMIN, "").fleet == wanted
    made.factory.receivers.remove(wanted.id, ADMIN)
    assert made.factory.receivers.show(wanted.id).fleet is None


def test_another_wish_of_the_same_receiver_replaces_the_first_only_when_asked() -> None:
    made = scenes.registered({})
    first, other = FleetReceiver(url=C, events=ALERTS), FleetReceiver(url=C, bases=True)
    made.factory.receivers.add(first, ADMIN)
    made.factory.receivers.add(first, ADMIN)  # a repetition is no change
    with pytest.raises(PermanentError, match=r"\(every alarm\).*--replace") as refused:
        made.factory.receivers.add(other, ADMIN)
    assert refused.value.error_class is ErrorClass.CONFLICT
    assert made.factory.receivers.show(first.id).fleet == first
    made.factory.receivers.add(other, ADMIN, replaces=True)
    assert made.factory.receivers.show(first.id).fleet == other


def test_the_list_names_the_receivers_of_an_image() -> None:
    made = receiving.registered(hook(A))
    made.factory.receivers.add(FleetReceiver(url=C, bases=True), ADMIN)
    assert [each.id for each in made.factory.receivers.page(BASE).receivers] == [ID]
    assert {each.id for each in made.factory.receivers.page().receivers} == {ID, ReceiverId.of(C, None)}
    (shown,) = made.factory.receivers.page(BASE).receivers
    assert (shown.state, shown.place, shown.has_secret) == ("working", "https://hooks.factory.corp", True)


def test_pages_hold_every_receiver_once_in_order() -> None:
    made = scenes.registered({})
    urls = [f"https://hooks.factory.corp/{number}" for number in range(7)]
    for url in urls:
        made.factory.receivers.add(FleetReceiver(url=url, bases=True), ADMIN)
    made.factory.receivers.remove(ReceiverId.of(urls[2], None), ADMIN)
    seen: list[ReceiverId] = []
    sizes: list[int] = []
    after = None
    while True:
        page = made.factory.receivers.page(after=after, limit=2)
        seen += [each.id for each in page.receivers]
        sizes.append(len(page.receivers))
        after = page.after
        if after is None:
            break
    assert seen == sorted(ReceiverId.of(url, None) for url in urls if url != urls[2])
    assert sorted(sizes) == [1, 1, 2, 2]  # one page has the removed receiver, and the last page has one row


def test_the_receivers_of_an_image_come_in_pages() -> None:
    made = receiving.registered(hook(A), hook(B), hook(C))
    first = made.factory.receivers.page(BASE, limit=2)
    assert first.after is not None
    last = made.factory.receivers.page(BASE, after=first.after, limit=2)
    shown = [each.id for each in (*first.receivers, *last.receivers)]
    assert (shown, last.after) == (sorted(receiving.receiver(each) for each in (A, B, C)), None)


def test_a_receiver_has_its_feed_soon_after_the_registration() -> None:
    made = scenes.registered({})
    receiving.register(made, hook(A, "build.late"))
    made.drain()
    assert [each.state for each in made.factory.receivers.page(BASE).receivers] == ["no-secret"]


def test_dead_letters_are_shown_until_a_replay() -> None:
    made = receiving.registered(hook(A), answers={A: scenes.transient()})
    receiving.live(made, DAY + timedelta(hours=2))
    shown = made.factory.receivers.show(ID)
    assert (shown.given_up, shown.state, len(shown.dead_letters)) == (1, "failing", 1)
    made.ports.web.answers[A] = TAKEN
    made.factory.receivers.replay(ID, ADMIN, None)
    receiving.live(made, timedelta(minutes=20))
    shown = made.factory.receivers.show(ID)
    assert (shown.given_up, shown.state, shown.dead_letters) == (0, "working", ())


def test_a_receiver_that_is_off_is_switched_on_and_not_replayed() -> None:
    made = receiving.registered(hook(A))
    made.factory.receivers.disable(ID, ADMIN, "moves to another address")
    receiving.live(made, timedelta(hours=2))
    assert receiving.posted(made, A) == []
    assert made.factory.receivers.show(ID).detail == "moves to another address (Admin, user:admin)"
    with pytest.raises(PermanentError, match="notify enable"):
        made.factory.receivers.replay(ID, ADMIN, None)


def test_a_trial_is_signed_and_changes_nothing() -> None:
    made = receiving.registered(hook(A))
    before = receiving.feed(made, A)
    accepted, said = made.factory.receivers.test(ID, ADMIN)
    assert (accepted, said) == (True, "it accepted the trial")
    assert receiving.types(made, A) == ["receiver.test"]
    assert "webhook-signature" in made.ports.web.posted[-1].headers
    assert receiving.feed(made, A) == before
    made.ports.web.answers[A] = scenes.transient()
    assert made.factory.receivers.test(ID, ADMIN) == (False, "no answer")


def test_trials_never_hold_every_thread() -> None:
    made = receiving.registered(hook(A))
    taken = [module._TRIALS.acquire(blocking=False) for _ in range(4)]
    try:
        with pytest.raises(TransientError, match="other trials run"):
            made.factory.receivers.test(ID, ADMIN)
    finally:
        for each in taken:
            if each:
                module._TRIALS.release()
    assert made.factory.receivers.test(ID, ADMIN)[0]


def test_a_trial_without_a_secret_says_what_to_do() -> None:
    made = _unsigned(allowed=False)
    with pytest.raises(PermanentError, match="notify secret rotate"):
        made.factory.receivers.test(ID, ADMIN)


def test_a_receiver_that_a_base_names_is_secops_to_change() -> None:
    """`scenes.principal("secops")` is a member of the team that owns the base, and no SecOps."""
    made = receiving.registered(hook(A))
    receivers, member = made.factory.receivers, scenes.principal("secops")
    with pytest.raises(PermanentError, match="base image: only SecOps"):
        receivers.rotate(receiving.receiver(A), member)
    made.parts.notify.receivers.fanout.ensure(receiving.receiver(B), B)
    receivers.rotate(receiving.receiver(B), member)  # no base names it
    unreadable_rows.make_unreadable(made, "images", "rhel9-base", "head")
    with pytest.raises(PermanentError, match="base image: only SecOps"):
        receivers.rotate(receiving.receiver(B), member)  # nobody can say whether the base names it
