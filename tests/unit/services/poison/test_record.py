"""Poison: a message that could not be handled is kept once, and is in the image's journal, the views and webhooks."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.services.effects.notices import QUIET
from pipeline_core.state.poison import PoisonStore
from pipeline_core.wire.messages import NotificationMessage, RebuildMessage, StepMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE

ONE = {"rhel9-base": None}
LOOK = RebuildMessage(image="rhel9-base").to_wire()


def _store(made: SimulatedWorld) -> PoisonStore:
    return PoisonStore(made.ports.tables)


def _kept(made: SimulatedWorld) -> tuple[PoisonRecord, ...]:
    return _store(made).page(after="", limit=1000).records


def _registered() -> SimulatedWorld:
    made = scenes.registered(ONE)
    scenes.lose(made)
    return made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[" * 2000,
        "[]",
        "7",
        '{"image": 7}',
        '{"image": "No Name"}',
        '{"build": "x"}',
        '{"build": "a--b.000000000000.1"}',
        '{"image": "ghost"}',
        '{"build": "ghost.000000000000.1"}',
        '{"n": ' + "9" * 5000 + "}",
    ],
    ids=str,
)
def test_a_message_that_points_at_nothing_is_kept_with_its_queue(text: str) -> None:
    made = _registered()
    made.factory.poison.record("build-steps", text)
    (record,) = _kept(made)
    assert (record.queue, record.text, record.is_whole) == ("build-steps", text, True)
    assert record.error is not None
    assert record.error.startswith("the text is not a StepMessage") or "larger than" in record.error
    assert Event.STALLED not in scenes.events(made, BASE)
    assert made.ports.queues.names() == []
    assert scenes.logged(made, "message-poisoned", queue="build-steps", record=record.key)


def test_queue_and_text_are_plain_cells_for_people_who_look_into_the_table() -> None:
    made = _registered()
    made.factory.poison.record("build-steps", "garbage")
    (row,) = [row for row in made.ports.tables.rows("index") if row.partition == "poison"]
    assert (row.cells["queue"], row.cells["text"]) == ("build-steps", "garbage")


@pytest.mark.parametrize("letter", ["x", "\x00", "🙂", '"', "\ud800"])
def test_a_huge_message_is_kept_as_far_as_it_fits(letter: str) -> None:
    made = _registered()
    made.factory.poison.record("build-steps", letter * 48_000)
    (record,) = _kept(made)
    assert len(record.text) == 8_000
    assert record.size >= 48_000
    assert not record.is_whole


@pytest.mark.parametrize(
    ("fields", "build"),
    [
        ({"image": "rhel9-base"}, None),
        (
            {"build": "rhel9-base.000000000000.1", "seq": 1, "other": None},
            BuildId("rhel9-base.000000000000.1"),
        ),
    ],
)
def test_the_image_that_a_poisoned_message_points_at_is_stalled_and_its_owners_are_notified(
    fields: dict[str, object], build: BuildId | None
) -> None:
    made = _registered()
    scenes.wants(made, BASE, Event.STALLED)
    made.factory.poison.record("rebuild-requests", json.dumps(fields))
    entry = scenes.entry_of(made, BASE, Event.STALLED)
    (record,) = _kept(made)
    assert record.key in entry.detail
    assert "rebuild-requests" in entry.detail
    assert entry.build == build
    (mark,) = scenes.head(made, BASE).poison
    assert (mark.key, mark.queue, mark.build) == (record.key, "rebuild-requests", build)
    (text,) = scenes.texts(made, "notification-requests")
    assert NotificationMessage.from_wire(text).entry == entry.key
    assert not record.announce


def test_nobody_is_notified_of_what_no_webhook_wants() -> None:
    made = _registered()
    made.factory.poison.record("rebuild-requests", LOOK)
    assert scenes.texts(made, "notification-requests") == []
    assert Event.STALLED in scenes.events(made, BASE)


def test_a_well_formed_message_has_no_error_of_its_own() -> None:
    made = _registered()
    made.factory.poison.record("rebuild-requests", LOOK)
    made.factory.poison.record("rebuild-requests", '{"schema":1,"<script>":1}')
    made.factory.poison.record("strange", LOOK)
    assert {record.error for record in _kept(made)} == {
        None,
        "the text is not a RebuildMessage: image: Field required",
        "strange is not a queue of this factory",
    }


def test_poisoned_messages_are_listed_newest_first() -> None:
    made = _registered()
    for text in ("one", "two"):
        made.factory.poison.record("build-steps", text)
        made.ports.clock.advance(timedelta(microseconds=1))
    made.factory.poison.record("build-events", "three")
    made.factory.poison.record("build-events", "four")
    assert [record.text for record in _kept(made)][2:] == ["two", "one"]
    assert len(_kept(made)) == 4


def test_one_delivery_that_comes_twice_is_one_record_one_line_and_one_notification() -> None:
    made = _registered()
    scenes.wants(made, BASE, Event.STALLED)
    put_at = made.ports.clock.now()
    for _ in range(3):
        made.ports.clock.advance(timedelta(minutes=1))
        made.factory.poison.record("rebuild-requests", LOOK, message_id="m1", put_at=put_at)
    (record,) = _kept(made)
    assert record.at == put_at
    assert scenes.events(made, BASE).count(Event.STALLED) == 1
    assert len(scenes.head(made, BASE).poison) == 1
    assert len(scenes.texts(made, "notification-requests")) == 1
    made.factory.poison.record("rebuild-requests", LOOK, message_id="m2", put_at=put_at)
    assert len(_kept(made)) == 2


def _survives(made: SimulatedWorld, interrupt: str, number: int) -> bool:
    """Record while the `number`th call of a kind ends the process; True where the process was ended."""
    died = TransientError(ErrorClass.NETWORK, "the process ends here")
    if interrupt == "send":
        scenes.rewired(
            made,
            queues=scenes.Failing(inner=made.ports.queues, name="send", errors=[died] if number == 1 else []),
        )
    else:
        count = 0

        def before(_: str, __: Sequence[TableWrite]) -> None:
            nonlocal count
            count += 1
            if count == number:
                raise died

        scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    put_at = made.ports.clock.now()
    try:
        made.factory.poison.record("rebuild-requests", LOOK, message_id="m1", put_at=put_at)
    except TransientError:
        ended = True
    else:
        ended = False
    scenes.rewired(made)
    made.ports.clock.advance(timedelta(minutes=1))
    made.factory.poison.record("rebuild-requests", LOOK, message_id="m1", put_at=put_at)
    return ended


@pytest.mark.parametrize(
    ("interrupt", "number", "dies"),
    [("write", 1, True), ("write", 2, True), ("write", 3, True), ("write", 4, True), ("send", 1, False)],
    ids=["record", "mark", "projection", "end", "notification"],
)
def test_a_recorder_that_is_killed_anywhere_and_called_again_records_once(
    interrupt: str, number: int, dies: bool
) -> None:
    made = _registered()
    scenes.wants(made, BASE, Event.STALLED)
    assert _survives(made, interrupt, number) is dies
    made.ports.clock.advance(QUIET)
    made.factory.sweeper.sweep()
    (record,) = _kept(made)
    assert not record.announce
    assert scenes.events(made, BASE).count(Event.STALLED) == 1
    assert [mark.key for mark in scenes.head(made, BASE).poison] == [record.key]
    told = {NotificationMessage.from_wire(text).entry for text in scenes.texts(made, "notification-requests")}
    assert told == {scenes.entry_of(made, BASE, Event.STALLED).key}


def test_a_head_that_moves_is_marked_as_it_is_then() -> None:
    made = _registered()
    race = scenes.once(lambda: scenes.touch(made, BASE))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("entry:") for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.factory.poison.record("rebuild-requests", LOOK)
    assert len(scenes.head(made, BASE).poison) == 1


def test_a_head_that_never_holds_still_is_marked_later() -> None:
    made = _registered()

    def before(_: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("entry:") for write in writes):
            raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError, match="try again"):
        made.factory.poison.record("rebuild-requests", LOOK)
    (record,) = _kept(made)
    assert record.announce


def test_a_record_that_a_person_closes_while_it_is_written_leaves_no_mark() -> None:
    made = _registered()

    def close() -> None:
        scenes.rewired(made)
        made.factory.poison_review.dismiss(_kept(made)[0].key, ADMIN)

    race = scenes.once(close)

    def before(_: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("entry:") for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.factory.poison.record("rebuild-requests", LOOK)
    (record,) = _kept(made)
    assert record.state is PoisonState.DISMISSED
    assert scenes.head(made, BASE).poison == ()


def test_rows_that_an_older_release_wrote_are_still_shown_and_dismissed() -> None:
    made = _registered()
    old = Row(
        partition="poison", key="20251121T120000000000-00ff", cells={"queue": "build-steps", "text": "old"}
    )
    odd = Row(partition="poison", key="odd", cells={})
    made.ports.tables.write("index", [TableWrite(verb=WriteKind.INSERT, row=each) for each in (old, odd)])
    made.factory.poison.record("build-steps", "new")
    assert [record.text for record in _kept(made)] == ["new", "old", ""]
    assert _kept(made)[1].at.isoformat() == "2025-11-21T12:00:00+00:00"
    made.factory.poison_review.dismiss(old.key, ADMIN)
    assert [record.state.value for record in _kept(made)] == ["open", "dismissed", "open"]


def test_a_message_that_no_version_of_ours_wrote_ends_in_poison_after_its_deliveries() -> None:
    made = scenes.settled(ONE)
    made.ports.queues.send("build-steps", "garbage")
    made.drain()
    assert made.poisoned == [("build-steps", "garbage")]
    assert [record.text for record in _kept(made)] == ["garbage"]
    assert made.ports.queues.names() == []


def test_the_condition_is_on_the_image_its_list_and_its_build_and_goes_as_they_go_on() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    made.ports.clock.advance(timedelta(seconds=1))
    made.factory.poison.record("build-steps", StepMessage(build=str(build.id), seq=build.seq).to_wire())
    queries = made.factory.queries
    before = made.ports.tables.operations
    (listed,) = queries.images().images
    assert [each.type.value for each in listed.conditions] == ["Stalled"]
    assert [each.type.value for each in queries.image(BASE).image.conditions] == ["Stalled"]
    assert [each.type.value for each in queries.image(BASE).builds[0].conditions] == ["Stalled"]
    (held,) = queries.build(build.id).conditions
    assert (held.reason, held.since) == ("MessagePoisoned", made.ports.clock.now())
    assert made.ports.tables.operations > before
    scenes.until(made, lambda: scenes.stored(made, build.id).value.seq > build.seq)
    assert queries.build(build.id).conditions == ()
    made.drain()
    assert queries.image(BASE).image.state == "current"
    assert queries.image(BASE).image.conditions == queries.images().images[0].conditions == ()
    assert _kept(made)[0].state is PoisonState.OPEN
    scenes.released(made)
    assert queries.image(BASE).image.conditions == ()


def test_conditions_cost_the_list_of_images_no_read() -> None:
    costs = []
    for poisoned in (False, True):
        made = scenes.settled(ONE)
        scenes.released(made)
        scenes.lose(made)
        if poisoned:
            made.factory.poison.record("rebuild-requests", LOOK)
        before = made.ports.tables.operations
        (view,) = made.factory.queries.images().images
        assert bool(view.conditions) is poisoned
        costs.append(made.ports.tables.operations - before)
    assert costs[0] == costs[1]


def test_the_text_never_enters_what_is_decoded() -> None:
    made = _registered()
    made.factory.poison.record("build-steps", "secret garbage")
    (row,) = [row for row in made.ports.tables.rows("index") if row.partition == "poison"]
    assert "secret" not in str(row.cells["value"])
    (record,) = _kept(made)
    with pytest.raises(StaleWrite):
        _store(made).replace(replace(record, announce=True), etag='W/"0"')
