"""Every event that the documents list is sent, in the journal's order, and costs nothing where nobody wants it."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.domain.errors import AlreadyExists, ErrorClass, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.receivers import ALERTS, FleetReceiver
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.services.effects.notices import FRESH, QUIET
from pipeline_core.state import images as records
from pipeline_core.state.history import entry_of
from pipeline_core.wire.messages import NotificationMessage
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.notify import receiving
from tests.unit.services.notify.receiving import TAKEN, A, B, C, hook
from tests.unit.services.scenes import BASE, JAVA

ROOT = Path(__file__).parents[4]


def _listed() -> set[str]:
    text = (ROOT / "docs/authoring.md").read_text("utf-8")
    (line,) = re.findall(r"^Events: (.*)$", text, re.MULTILINE)
    return set(re.findall(r"`([a-z.-]+)`", line))


def test_the_documents_list_the_events_that_exist() -> None:
    assert _listed() == {event.value for event in Event}


@pytest.mark.parametrize("event", Event, ids=lambda event: event.value)
def test_an_event_that_is_written_is_sent(event: Event) -> None:
    made = receiving.registered(hook(A, event.value))
    made.drain()
    before = len(receiving.posted(made, A))
    store = made.base.records.images
    store.commit([records.add_entry(made.base.effects.journal.of_image(BASE, event, detail="why"))])
    made.drain()
    assert receiving.types(made, A)[before:] == [event.value]
    assert receiving.posted(made, A)[-1]["data"]["detail"] == "why"


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("services", "state", "domain"):
        for path in sorted((ROOT / "pipeline_core" / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def test_every_event_is_written_by_some_service() -> None:
    used = {
        node.attr
        for name, module in _modules()
        if not name.endswith(("domain/journal.py", "domain/receivers.py"))
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    assert used == {event.name for event in Event}


def test_entries_of_journals_are_committed_by_the_store_that_announces_them() -> None:
    """Beside it, the alarm about unproven versions writes its own, with its own flag, and always sends a message."""
    others = {
        name
        for name, module in _modules()
        if name.startswith("pipeline_core/state/")
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr == "add_entry"
    }
    assert others == {"pipeline_core/state/galleries/unproven.py"}


def test_an_image_without_receivers_costs_no_operation_and_no_message() -> None:
    made = scenes.settled({"rhel9-base": None})
    store = made.base.records.images
    head = scenes.images(made).get_head(BASE).value
    entry = made.base.effects.journal.of_image(BASE, Event.LATE)
    made.base.effects.notices.fleet_receivers()
    before = made.ports.tables.operations
    store.commit([records.add_entry(entry)], head=head)
    assert made.ports.tables.operations == before + 1
    assert scenes.texts(made, "notification-requests") == []


def test_an_entry_that_was_not_committed_is_not_announced() -> None:
    made = receiving.registered(hook(A, "build.late"))
    made.drain()
    store, notices = made.base.records.images, made.base.records.notices
    entry = made.base.effects.journal.of_image(BASE, Event.LATE)
    store.commit([records.add_entry(entry)])
    made.drain()
    with pytest.raises(AlreadyExists):
        store.commit([records.add_entry(entry)])
    assert notices.list(BASE) == []
    made.drain()
    assert receiving.types(made, A) == ["build.late"]


def test_a_notice_whose_entry_never_came_is_removed() -> None:
    made = receiving.registered(hook(A, "build.late"))
    made.drain()
    tables = scenes.WatchedTables(inner=made.ports.tables, before=_refuse_journal)
    scenes.rewired(made, tables=tables)
    entry = made.base.effects.journal.of_image(BASE, Event.LATE)
    with pytest.raises(TransientError):
        made.base.records.images.commit([records.add_entry(entry)])
    scenes.rewired(made)
    assert len(made.base.records.notices.list(BASE)) == 1
    made.ports.clock.advance(QUIET)
    made.factory.sweeper.sweep()
    made.drain()
    assert made.base.records.notices.list(BASE) == []
    assert receiving.posted(made, A) == []


def _refuse_journal(table: str, writes: Any) -> None:
    if table == "images" and any(entry_of(write) is not None for write in writes):
        raise TransientError(ErrorClass.NETWORK, "no answer")


@pytest.mark.parametrize(
    ("verb", "is_named"),
    [
        pytest.param(WriteKind.DELETE, True, id="another process removes it"),
        pytest.param(WriteKind.REPLACE, True, id="another process changes it"),
        pytest.param(None, False, id="nobody is faster"),
    ],
)
def test_a_message_that_removes_no_notice_of_a_sent_entry_is_a_named_no_op(
    verb: WriteKind | None, *, is_named: bool
) -> None:
    """The receiver had the entry already: the process that sent it died before it removed the notice."""
    made = receiving.registered(hook(A, "build.late"))
    made.drain()
    entry = made.base.effects.journal.of_image(BASE, Event.LATE)
    made.base.records.images.commit([records.add_entry(entry)])
    (key,) = unreadable_rows.keys(made, "index", "notices", "entry:")
    notice = made.ports.tables.find("index", "notices", key)
    assert notice is not None
    made.drain()
    unreadable_rows.put(made, "index", notice)

    def be_faster(table: str, writes: Sequence[TableWrite]) -> None:
        row = made.ports.tables.find("index", "notices", key)
        if verb is not None and row is not None and writes[0].row.key == key:
            made.ports.tables.write(table, [TableWrite(verb=verb, row=row)])

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=be_faster))
    made.factory.notifier.deliver(NotificationMessage(image=str(BASE), entry=entry.key))
    assert scenes.logged(made, "notification-known", entry=entry.key) is is_named
    assert len(made.base.records.notices.list(BASE)) == (verb is WriteKind.REPLACE)
    scenes.rewired(made)
    made.ports.clock.advance(QUIET)
    made.factory.sweeper.sweep()
    made.drain()
    assert made.base.records.notices.list(BASE) == []
    assert receiving.types(made, A) == ["build.late"]


def test_a_lost_entry_goes_before_a_later_one() -> None:
    made = receiving.registered(hook(A, "build.late", "image.stalled"))
    made.drain()
    store, journal = made.base.records.images, made.base.effects.journal
    store.commit([records.add_entry(journal.of_image(BASE, Event.LATE))])
    scenes.lose(made, "notification-requests")
    made.ports.clock.advance(QUIET / 10)
    store.commit([records.add_entry(journal.of_image(BASE, Event.STALLED))])
    made.drain()
    assert receiving.types(made, A) == ["build.late", "image.stalled"]


def test_the_deletion_of_an_image_is_sent_to_those_who_wanted_it() -> None:
    made = receiving.registered(hook(A, "definition.deleted"))
    made.drain()
    made.factory.registrar.unregister(BASE, ADMIN, scenes.head(made, BASE).document_etag)
    made.drain()
    assert receiving.types(made, A) == ["definition.deleted"]


def test_two_images_with_entries_of_one_key_are_two_events() -> None:
    made = receiving.registered(hook(A, "source.release-withdrawn"))
    made.drain()
    entry = made.base.effects.journal.of_image(BASE, Event.RELEASE_WITHDRAWN)
    made.base.records.images.commit([records.add_entry(entry)])
    made.drain()
    (event,) = receiving.posted(made, A)
    assert event["id"] == f"rhel9-base.{entry.key}"
    assert made.ports.web.posted[-1].headers["webhook-id"] == event["id"]


def _fleet_world(receiver: FleetReceiver) -> SimulatedWorld:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    made.ports.web.answers[receiver.url] = TAKEN
    made.factory.receivers.add(receiver, ADMIN)
    made.factory.receivers.rotate(receiver.id, ADMIN)
    return made


def test_secops_receive_alerts_of_every_image_without_its_definition() -> None:
    made = _fleet_world(FleetReceiver(url=C, events=ALERTS))
    made.drain()
    entry = made.base.effects.journal.of_image(JAVA, Event.BREAKER_OPENED)
    made.base.records.images.commit([records.add_entry(entry)])
    made.drain()
    assert [each["subject"] for each in receiving.posted(made, C)] == ["rhel9-java"]
    assert receiving.types(made, C) == ["image.breaker-opened"]


def test_secops_receive_everything_of_bases() -> None:
    made = _fleet_world(FleetReceiver(url=C, bases=True))
    made.drain()
    assert {each["subject"] for each in receiving.posted(made, C)} == {"rhel9-base"}
    assert {"build.queued", "build.started", "image.published"} <= set(receiving.types(made, C))


def test_a_receiver_of_secops_that_another_process_added_is_seen_within_minutes() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.ports.web.answers[C] = TAKEN
    made.base.records.feeds.put_fleet_receiver(FleetReceiver(url=C, events=ALERTS))
    made.ports.clock.advance(FRESH)
    entry = made.base.effects.journal.of_image(BASE, Event.LATE)
    made.base.records.images.commit([records.add_entry(entry)])
    assert made.base.records.notices.list(BASE) != []


def test_what_happens_while_the_head_cannot_be_read_is_sent_when_it_can() -> None:
    made = receiving.registered(hook(A, Event.RETRIED.value))
    made.drain()
    row = unreadable_rows.make_unreadable(made, "images", str(BASE), "head")
    entry = made.base.effects.journal.of_image(BASE, Event.RETRIED, detail="why")
    made.base.records.images.commit([records.add_entry(entry)])
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    assert receiving.types(made, A) == []
    unreadable_rows.put(made, "images", row)
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    assert receiving.types(made, A) == [Event.RETRIED.value]
    assert made.base.records.notices.list(BASE) == []


def test_a_definition_that_cannot_be_read_stops_one_entry() -> None:
    made = receiving.registered(hook(A), hook(B))
    made.drain()
    (head, digest) = scenes.images(made).get_head(BASE), "0" * 64
    bad = replace(head.value.registration, definition=type(head.value.registration.definition)(digest))
    entry = made.base.effects.journal.of_image(BASE, Event.PUBLISHED)
    made.base.records.images.commit([records.add_entry(entry)], head=replace(head.value, registration=bad))
    before = len(made.ports.web.posted)
    made.drain()
    assert scenes.logged(made, "notification-dropped", entry=entry.key)
    assert made.base.records.notices.list(BASE) == []
    assert len(made.ports.web.posted) == before
