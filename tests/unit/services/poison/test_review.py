"""What people do with poisoned messages: who sees which, sent again exactly, put aside once."""

from collections.abc import Sequence

import pytest

from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.ports import Principal, TableWrite
from pipeline_core.state.poison import PoisonStore
from pipeline_core.wire import resent
from pipeline_core.wire.messages import RebuildMessage, StepMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE

ONE = {"rhel9-base": None}
APP = ImageName("app")
READER = scenes.principal(roles=["Factory.Reader"])
MEMBER, STRANGER = scenes.principal("payments"), scenes.principal("ml")
OF_BASE = RebuildMessage(image="rhel9-base", reason="why").to_wire()
OF_APP = StepMessage(build="app.000000000000.1", seq=3).to_wire()


def _poisoned() -> SimulatedWorld:
    """One message about SecOps' image, one about a team's, one about nothing."""
    made = scenes.registered(ONE)
    scenes.register_for(made, "app", "rhel9-base", "payments")
    scenes.lose(made)
    made.factory.poison.record("rebuild-requests", OF_BASE)
    made.factory.poison.record("build-steps", OF_APP)
    made.factory.poison.record("build-steps", "garbage")
    return made


def _key(made: SimulatedWorld, text: str) -> str:
    (key,) = [record.key for record in _records(made) if record.text == text]
    return key


def _records(made: SimulatedWorld) -> Sequence[PoisonRecord]:
    return PoisonStore(made.ports.tables).page(after="", limit=100).records


def _state(made: SimulatedWorld, key: str) -> PoisonState:
    return PoisonStore(made.ports.tables).get(key).value.state


@pytest.mark.parametrize(
    ("caller", "seen"),
    [
        (ADMIN, {OF_BASE, OF_APP, "garbage"}),
        (READER, {OF_BASE, OF_APP, "garbage"}),
        (MEMBER, {OF_APP}),
        (scenes.principal("payments", "secops"), {OF_APP, OF_BASE}),
        (STRANGER, set()),
    ],
    ids=["admin", "reader", "team", "two teams", "other team"],
)
def test_a_team_sees_the_messages_about_its_own_images_only(caller: Principal, seen: set[str]) -> None:
    made = _poisoned()
    assert {view.text for view in made.factory.poison_review.page(caller).records} == seen


def test_pages_hold_every_record_once_newest_first() -> None:
    made = _poisoned()
    everything = [view.key for view in made.factory.poison_review.page(ADMIN).records]
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = made.factory.poison_review.page(ADMIN, after=after, limit=1)
        seen += [view.key for view in page.records]
        if page.after is None:
            break
        after = page.after
    assert seen == everything
    assert len(seen) == 3


def test_closed_records_can_be_left_out() -> None:
    made = _poisoned()
    review = made.factory.poison_review
    review.dismiss(_key(made, "garbage"), ADMIN)
    assert {view.text for view in review.page(ADMIN, state=PoisonState.OPEN).records} == {OF_BASE, OF_APP}
    assert [view.closed_by for view in review.page(ADMIN, state=PoisonState.DISMISSED).records] == ["Admin"]
    assert review.page(ADMIN, state=PoisonState.REQUEUED).records == ()
    assert len(review.page(ADMIN).records) == 3


@pytest.mark.parametrize(("caller", "name"), [(ADMIN, "Admin"), (MEMBER, "Payments")], ids=["admin", "team"])
def test_requeueing_sends_the_exact_text_again_and_says_so_in_the_journal(
    caller: Principal, name: str
) -> None:
    made = _poisoned()
    key = _key(made, OF_APP)
    assert scenes.head(made, APP).poison
    view = made.factory.poison_review.requeue(key, caller)
    assert scenes.texts(made, "build-steps") == [OF_APP]
    assert (view.state, view.closed_by, view.closed_at) == (
        PoisonState.REQUEUED,
        name,
        made.ports.clock.now(),
    )
    assert _state(made, key) is PoisonState.REQUEUED
    entry = scenes.entry_of(made, APP, Event.REQUEUED)
    assert (entry.actor, entry.detail) == (name, f"{key}, a message of build-steps")
    assert scenes.head(made, APP).poison == ()
    listed = {view.name: view.conditions for view in made.factory.queries.images().images}
    assert listed["app"] == ()
    assert [each.type.value for each in listed["rhel9-base"]] == ["Stalled"]


def test_a_requeued_message_begins_as_one_that_was_never_sent_again() -> None:
    made = _poisoned()
    text, _ = resent.counted(resent.counted(OF_APP)[0])
    made.factory.poison.record("build-steps", text)
    made.factory.poison_review.requeue(_key(made, text), ADMIN)
    assert scenes.texts(made, "build-steps") == [OF_APP]


def test_dismissing_sends_nothing_and_clears_the_condition() -> None:
    made = _poisoned()
    key = _key(made, OF_APP)
    made.factory.poison_review.dismiss(key, MEMBER)
    made.factory.poison_review.dismiss(key, MEMBER)
    assert _state(made, key) is PoisonState.DISMISSED
    assert made.ports.queues.names() == []
    assert scenes.head(made, APP).poison == ()
    assert scenes.events(made, APP).count(Event.DISMISSED) == 1
    assert made.factory.queries.image(APP).image.conditions == ()


def test_what_was_closed_cannot_be_requeued_and_what_was_requeued_cannot_be_dismissed() -> None:
    made = _poisoned()
    review = made.factory.poison_review
    key, other = _key(made, OF_BASE), _key(made, OF_APP)
    review.requeue(key, ADMIN)
    review.dismiss(other, ADMIN)
    for again in (key, other):
        with pytest.raises(AlreadyExists, match="by Admin already"):
            review.requeue(again, ADMIN)
    with pytest.raises(AlreadyExists, match="was requeued by Admin already"):
        review.dismiss(key, ADMIN)
    assert scenes.texts(made, "rebuild-requests") == [OF_BASE]
    assert scenes.texts(made, "build-steps") == []


@pytest.mark.parametrize("text", [OF_BASE, OF_APP, "garbage"], ids=["secops", "team", "nobody"])
@pytest.mark.parametrize("caller", [STRANGER, READER, scenes.principal()], ids=["other", "reader", "nobody"])
def test_strangers_close_nothing(caller: Principal, text: str) -> None:
    made = _poisoned()
    key = _key(made, text)
    for attempt in (made.factory.poison_review.requeue, made.factory.poison_review.dismiss):
        with pytest.raises(PermanentError) as refused:
            attempt(key, caller)
        assert refused.value.error_class is ErrorClass.PERMISSION
    assert _state(made, key) is PoisonState.OPEN
    assert made.ports.queues.names() == []


def test_a_team_may_not_close_what_points_at_nothing_or_at_others() -> None:
    made = _poisoned()
    for text in ("garbage", OF_BASE):
        with pytest.raises(PermanentError, match="only SecOps"):
            made.factory.poison_review.requeue(_key(made, text), MEMBER)


def test_a_cut_message_or_one_of_a_strange_queue_is_dismissed_only() -> None:
    made = _poisoned()
    made.factory.poison.record("build-steps", "x" * 48_000)
    made.factory.poison.record("strange", "strange")
    for key in (_key(made, "x" * 8_000), _key(made, "strange")):
        with pytest.raises(PermanentError, match="cannot be sent again"):
            made.factory.poison_review.requeue(key, ADMIN)
        made.factory.poison_review.dismiss(key, ADMIN)
        assert _state(made, key) is PoisonState.DISMISSED
    assert made.ports.queues.names() == []


def test_a_record_of_an_unregistered_image_is_secops() -> None:
    made = _poisoned()
    found = scenes.images(made).get_head(APP)
    made.factory.registrar.unregister(APP, ADMIN, str(found.value.registration.definition))
    key = _key(made, OF_APP)
    with pytest.raises(PermanentError):
        made.factory.poison_review.requeue(key, MEMBER)
    made.factory.poison_review.requeue(key, ADMIN)
    assert scenes.texts(made, "build-steps") == [OF_APP]


def test_an_unknown_record_is_not_found() -> None:
    with pytest.raises(NotFound, match="no poisoned message ghost"):
        _poisoned().factory.poison_review.requeue("ghost", ADMIN)


@pytest.mark.parametrize("number", [1, 2, 3], ids=["journal", "projection", "record"])
def test_a_requeue_that_is_killed_anywhere_can_be_done_again(number: int) -> None:
    made = _poisoned()
    key = _key(made, OF_BASE)
    count = 0

    def before(_: str, __: Sequence[TableWrite]) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise TransientError(ErrorClass.NETWORK, "the process ends here")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError):
        made.factory.poison_review.requeue(key, ADMIN)
    assert _state(made, key) is PoisonState.OPEN
    scenes.rewired(made)
    made.factory.poison_review.requeue(key, ADMIN)
    assert _state(made, key) is PoisonState.REQUEUED
    assert set(scenes.texts(made, "rebuild-requests")) == {OF_BASE}
    assert scenes.head(made, BASE).poison == ()


def test_of_two_people_at_one_moment_one_reads_that_the_other_was_faster() -> None:
    made = _poisoned()
    key = _key(made, OF_BASE)

    def other() -> None:
        scenes.rewired(made)
        made.factory.poison_review.dismiss(key, ADMIN)

    race = scenes.once(other)

    def before(_: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.partition == "poison" for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(AlreadyExists, match="was dismissed by Admin already"):
        made.factory.poison_review.requeue(key, ADMIN)
    assert _state(made, key) is PoisonState.DISMISSED


def test_a_requeued_message_is_handled_as_any_other() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    text = scenes.texts(made, "rebuild-requests")[0]
    scenes.lose(made)
    made.factory.poison.record("rebuild-requests", text)
    assert [each.type.value for each in made.factory.queries.image(BASE).image.conditions] == ["Stalled"]
    made.factory.poison_review.requeue(_key(made, text), ADMIN)
    made.drain()
    view = made.factory.queries.image(BASE).image
    assert (view.state, view.conditions) == ("current", ())
    assert len(scenes.builds(made, BASE)) == 2
