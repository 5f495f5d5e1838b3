"""A row of a feed that cannot be read stops itself alone: later facts and other receivers go on. None rewrites it."""

from datetime import timedelta

import pytest

from pipeline_core.domain.journal import Event
from pipeline_core.ports import Row, TableWrite, WriteKind
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.notify import receiving
from tests.unit.services.notify.receiving import A, B, hook
from tests.unit.services.scenes import BASE

HOUR = timedelta(hours=1)
BOTH = ("image.published", "build.queued")


def _recorded(made: SimulatedWorld) -> list[str]:
    records = made.base.records.unreadable.page(limit=1000).records
    return [f"{each.table}/{each.partition}/{each.key}" for each in records]


def _is_untouched(made: SimulatedWorld, table: str, row: Row) -> bool:
    found = made.ports.tables.find(table, row.partition, row.key)
    return found is not None and found.cells == {**row.cells, "schema": 2}


def _queued(made: SimulatedWorld) -> list[Row]:
    """The rows of the facts in the first receiver's feed, after the first fact came and before it was sent."""
    while not receiving.items(made, A):
        assert made.host.deliver_one()
    return list(made.base.records.feeds.item_rows(receiving.receiver(A), limit=10))


def _line_of(made: SimulatedWorld, event: Event) -> str:
    """The key of the row of the one journal line of an event."""
    (key,) = [
        row.key
        for row in made.ports.tables.rows("images")
        if row.key.startswith("entry:") and f'"{event.value}"' in str(row.cells["value"])
    ]
    return key


def test_a_fact_that_cannot_be_read_is_passed_over_recorded_and_shown_until_it_can_be_read() -> None:
    made = receiving.registered(hook(A, *BOTH))
    (first, *_) = _queued(made)
    row = unreadable_rows.make_unreadable(made, "index", first.partition, first.key)
    receiving.live(made, HOUR)
    assert receiving.types(made, A) == ["image.published"]
    assert receiving.feed(made, A).given_up == 1
    assert _recorded(made) == [f"index/{row.partition}/{row.key}"]
    assert _is_untouched(made, "index", row)
    unreadable_rows.put(made, "index", row)
    receiving.live(made, HOUR)
    assert _recorded(made) == []
    made.factory.receivers.replay(receiving.receiver(A), ADMIN, since=made.ports.clock.now() - 3 * HOUR)
    receiving.live(made, HOUR)
    assert receiving.types(made, A)[1:] == ["build.queued", "image.published"]


def test_a_fact_whose_journal_line_cannot_be_read_is_a_dead_letter() -> None:
    made = receiving.registered(hook(A, *BOTH))
    _queued(made)
    unreadable_rows.make_unreadable(made, "images", str(BASE), _line_of(made, Event.QUEUED))
    receiving.live(made, HOUR)
    assert receiving.types(made, A) == ["image.published"]
    (dead,) = [each.dead for each in receiving.items(made, A) if each.dead]
    assert dead == "its journal entry cannot be read"


def test_a_journal_line_that_cannot_be_read_delays_only_its_own_news() -> None:
    made = receiving.registered(hook(A, *BOTH))
    scenes.lose(made, "notification-requests")
    scenes.look(made, BASE)
    scenes.lose(made, "notification-requests")
    key = _line_of(made, Event.QUEUED)
    row = unreadable_rows.make_unreadable(made, "images", str(BASE), key)
    receiving.live(made, HOUR)
    assert receiving.types(made, A) == ["image.published"]
    unreadable_rows.put(made, "images", row)
    receiving.live(made, HOUR)
    assert receiving.types(made, A) == ["image.published", "build.queued"]


def test_a_feed_that_cannot_be_read_keeps_nothing_from_the_others_and_gets_its_facts_later() -> None:
    made = receiving.registered(hook(A, *BOTH), hook(B, *BOTH))
    feeds = {url: f"feed:{receiving.receiver(url)}" for url in (A, B)}
    bad, good = sorted((A, B), key=lambda url: feeds[url])  # the bad one is looked at first
    row = unreadable_rows.make_unreadable(made, "index", feeds[bad], "head")
    receiving.live(made, 6 * HOUR)
    assert receiving.types(made, good) == ["build.queued", "image.published"]
    assert receiving.posted(made, bad) == []
    assert _is_untouched(made, "index", row)
    assert [str(each.id) for each in made.factory.receivers.page().receivers] == [
        str(receiving.receiver(good))
    ]
    shown = made.factory.queries.image(BASE).image
    assert shown.state == "current"
    assert not any(each.type.value == "ReceiverUnsigned" for each in shown.conditions)
    (told,) = [each for each in shown.conditions if each.reason == "ReceiverUnreadable"]
    assert str(receiving.receiver(bad)) in told.message
    assert f"index/{feeds[bad]}/head" in _recorded(made)
    unreadable_rows.put(made, "index", row)
    receiving.live(made, HOUR)
    assert receiving.types(made, bad) == ["build.queued", "image.published"]
    assert receiving.types(made, good) == ["build.queued", "image.published"]
    assert made.base.records.notices.list(BASE) == []
    assert _recorded(made) == []


@pytest.mark.parametrize(
    ("key", "cells"),
    [
        pytest.param("entry:another-base:1", {"at": "2026-07-01T00:00:00+00:00"}, id="no definition"),
        pytest.param(
            "entry:Not A Name:1", {"definition": "", "at": "2026-07-01T00:00:00+00:00"}, id="bad name"
        ),
        pytest.param("entry:another-base:2", {"definition": "", "at": "today"}, id="bad time"),
        pytest.param("entry:another-base:4", {"definition": "", "at": "2026-07-01"}, id="no zone"),
        pytest.param("entry:another-base:3", {"definition": "short", "at": "2026-07-01"}, id="bad digest"),
        pytest.param("open:not a receiver", {"at": "2026-07-01T00:00:00+00:00"}, id="bad receiver"),
    ],
)
def test_a_notice_that_cannot_be_read_is_recorded_and_keeps_nothing_from_the_others(
    key: str, cells: dict[str, str]
) -> None:
    made = receiving.registered(hook(A, *BOTH))
    scenes.look(made, BASE)
    scenes.lose(made, "notification-requests")  # from here on only the sweep's look at the notices can help
    unreadable_rows.put(made, "index", Row(partition="notices", key=key, cells=cells))
    receiving.live(made, HOUR)
    assert receiving.types(made, A) == ["build.queued", "image.published"]
    assert _recorded(made) == [f"index/notices/{key}"]
    (row,) = [row for row in made.ports.tables.rows("index") if row.partition == "notices"]
    assert (row.key, row.cells) == (key, cells)
    made.ports.tables.write("index", [TableWrite(verb=WriteKind.DELETE, row=row)])
    made.factory.sweeper.sweep()
    assert _recorded(made) == []


def test_a_notice_of_the_image_itself_that_cannot_be_read_keeps_nothing_from_its_others() -> None:
    made = receiving.registered(hook(A, *BOTH))
    key = f"entry:{BASE}:0"
    unreadable_rows.put(made, "index", Row(partition="notices", key=key, cells={"at": "today"}))
    receiving.live(made, HOUR)
    assert receiving.types(made, A) == ["build.queued", "image.published"]
    assert _recorded(made) == [f"index/notices/{key}"]
    repaired = Row(partition="notices", key=key, cells={"definition": "", "at": "2026-07-01T00:00:00+00:00"})
    unreadable_rows.put(made, "index", repaired)
    made.factory.sweeper.sweep()
    assert _recorded(made) == []
