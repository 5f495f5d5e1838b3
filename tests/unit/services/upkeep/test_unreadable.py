"""One row that cannot be read stops one row: the fleet goes on, the row is recorded once, and nothing rewrites it."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.names import ImageName, TeamName
from simulation.world import SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS, SIX

FLAT = {f"image-{number}": None for number in range(10)}
DAY = timedelta(days=1)


def _rows(made: SimulatedWorld) -> list[str]:
    records = made.base.records.unreadable.page(limit=1000).records
    return [f"{record.table}/{record.partition}/{record.key}" for record in records]


def _untouched(made: SimulatedWorld, table: str, partition: str, key: str) -> bool:
    row = made.ports.tables.find(table, partition, key)
    return row is not None and row.cells["schema"] == 2


def test_the_build_of_the_first_pending_build_stops_no_other() -> None:
    """r36: 0 of 10 images were built in two days, with 2,718 poisoned messages."""
    made = scenes.limited(scenes.registered(FLAT), slots=1)
    scenes.lose(made, "dispatch-requests")
    for name in FLAT:
        scenes.look(made, ImageName(name))
    first = made.base.records.index.pending(limit=1)[0].value.build
    key = f"build:{first}"
    row = unreadable_rows.make_unreadable(made, "images", str(first.image), key)
    made.run_until(made.ports.clock.now() + 2 * DAY)
    built = [name for name, version in made.versions().items() if version]
    assert len(built) == len(FLAT) - 1
    assert made.poisoned == []
    assert _rows(made) == [f"images/{first.image}/{key}"]
    assert _untouched(made, "images", str(first.image), key)
    assert made.base.records.capacity.holders() == ()
    unreadable_rows.put(made, "images", row)
    made.run_until(made.ports.clock.now() + DAY)
    assert all(made.versions().values())
    assert _rows(made) == []


PLACES = {
    "a head": ("images", str(JAVA), "head"),
    "a copy": ("index", "fleet", str(JAVA)),
    "a claim": ("images", str(JAVA), "claim:"),
    "a build": ("images", str(JAVA), "build:"),
    "a journal line": ("images", str(JAVA), "entry:"),
    "an old build": ("images", str(JAVA), "past:"),
}


@pytest.mark.parametrize("place", PLACES)
def test_everything_that_reads_many_rows_goes_on(place: str) -> None:
    made = scenes.settled()
    table, partition, prefix = PLACES[place]
    key = unreadable_rows.keys(made, table, partition, prefix)[0]
    unreadable_rows.make_unreadable(made, table, partition, key)
    assert {view.name for view in made.factory.queries.images().images} == set(map(str, SIX))
    assert made.factory.queries.check()
    assert made.factory.queries.lineage().levels
    assert made.factory.queries.image(JAVA).image.name == str(JAVA)
    made.factory.pruner.prune()
    made.factory.sweeper.sweep()
    made.factory.reaper.reap()
    scenes.released(made)
    made.run_until(made.ports.clock.now() + DAY)
    assert made.poisoned == []
    others = [name for name in SIX if name not in (JAVA, PAYMENTS)]
    assert {made.factory.queries.image(name).image.state for name in others} == {"current"}
    assert all(len(scenes.builds(made, name)) == 2 for name in others)


def test_an_image_whose_head_cannot_be_read_is_unknown_and_so_are_its_children() -> None:
    made = scenes.settled()
    unreadable_rows.make_unreadable(made, "images", str(JAVA), "head")
    shown = made.factory.queries.image(JAVA)
    assert (shown.image.state, shown.image.team, shown.etag) == ("unknown", None, None)
    assert "schema 2 of ImageHead" in shown.image.detail
    assert [each.type for each in shown.image.conditions] == [ConditionType.UNREADABLE]
    assert len(shown.builds) == 1
    assert shown.journal
    child = made.factory.queries.image(PAYMENTS)
    assert (child.image.state, child.image.team) == ("unknown", "secops")
    assert child.image.version is not None
    assert made.factory.queries.image(BASE).image.state == "current"


def test_a_copy_that_cannot_be_read_is_listed_as_unknown_until_the_sweep_writes_it_again() -> None:
    made = scenes.settled()
    unreadable_rows.make_unreadable(made, "index", "fleet", str(JAVA))
    listed = {view.name: view for view in made.factory.queries.images().images}
    assert (listed[str(JAVA)].state, listed[str(JAVA)].team) == ("unknown", None)
    assert [each.type for each in listed[str(JAVA)].conditions] == [ConditionType.UNREADABLE]
    assert list(listed) == sorted(listed)
    assert str(JAVA) not in {
        view.name for view in made.factory.queries.images(team=TeamName("secops")).images
    }
    made.factory.sweeper.sweep()
    listed = {view.name: view for view in made.factory.queries.images().images}
    assert (listed[str(JAVA)].state, listed[str(JAVA)].conditions) == ("current", ())


def test_an_unreadable_copy_at_the_end_of_a_page_does_not_end_the_list() -> None:
    made = scenes.settled()
    for name in sorted(map(str, SIX))[:2]:
        unreadable_rows.make_unreadable(made, "index", "fleet", name)
    names, after = [], ""
    while True:
        page = made.factory.queries.images(after=after, limit=1)
        names += [view.name for view in page.images]
        if page.next is None:
            break
        after = page.next
    assert names == sorted(map(str, SIX))


def test_the_row_is_recorded_once_however_often_it_is_met() -> None:
    made = scenes.settled()
    unreadable_rows.make_unreadable(made, "images", str(JAVA), "head")
    for _ in range(20):
        made.factory.queries.image(JAVA)
        scenes.limited(made)  # another process has another memory
        made.factory.queries.image(JAVA)
    assert _rows(made) == [f"images/{JAVA}/head"]
    lines = Counter(line.event for line in made.ports.logs.lines)
    assert lines["row-unreadable"] == 1


def test_the_platform_that_cannot_be_read_makes_every_image_unknown_and_builds_nothing_wrong() -> None:
    made = scenes.settled()
    row = unreadable_rows.make_unreadable(made, "index", "platform", "current")
    scenes.released(made)
    made.run_until(made.ports.clock.now() + timedelta(hours=3))
    assert {view.state for view in made.factory.queries.images().images} == {"unknown"}
    assert made.poisoned == []
    assert all(len(scenes.builds(made, name)) == 1 for name in SIX)
    unreadable_rows.put(made, "index", row)
    made.run_until(made.ports.clock.now() + DAY)
    assert {view.state for view in made.factory.queries.images().images} == {"current"}
    assert all(len(scenes.builds(made, name)) == 2 for name in SIX)


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_a_running_build_that_cannot_be_read_waits_and_never_fails(phase: Phase) -> None:
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, phase)
    row = unreadable_rows.make_unreadable(made, "images", str(BASE), f"build:{build.id}")
    made.run_until(made.ports.clock.now() + timedelta(hours=5))
    assert made.poisoned == []
    assert _untouched(made, "images", str(BASE), f"build:{build.id}")
    unreadable_rows.put(made, "images", row)
    made.run_until(made.ports.clock.now() + DAY)
    assert made.versions()[str(BASE)]


def test_a_pending_row_that_cannot_be_read_hides_nothing_behind_it() -> None:
    made = scenes.limited(scenes.registered(FLAT), slots=1)
    scenes.lose(made, "dispatch-requests")
    for name in FLAT:
        scenes.look(made, ImageName(name))
    for stored in made.base.records.index.pending(limit=3):
        unreadable_rows.make_unreadable(made, "index", "pending", stored.value.key)
    assert len(made.base.records.index.waiting(limit=5)) == 5
    assert len(made.base.records.index.waiting(limit=1000)) == len(FLAT) - 3
    made.run_until(made.ports.clock.now() + DAY)
    assert sum(bool(version) for version in made.versions().values()) == len(FLAT)  # the sweep puts them back


def test_a_head_that_cannot_be_read_gives_back_the_slot_that_was_taken_for_it() -> None:
    made = scenes.limited(scenes.registered({"rhel9-base": None}), slots=1)
    scenes.look(made, BASE)
    unreadable_rows.make_unreadable(made, "images", str(BASE), "head")
    made.drain()
    assert made.base.records.capacity.holders() == ()
    assert made.poisoned == []


def test_a_source_that_cannot_be_read_stops_its_own_images_only() -> None:
    made = scenes.settled({"rhel9-base": None})
    key = unreadable_rows.keys(made, "index", "sources")[0]
    row = unreadable_rows.make_unreadable(made, "index", "sources", key)
    assert made.factory.poller.poll() == 0
    assert made.factory.sources.list() == ()
    assert made.factory.queries.image(BASE).image.state == "unknown"
    assert _rows(made) == [f"index/sources/{key}"]
    unreadable_rows.put(made, "index", replace(row, etag=""))
    made.factory.sweeper.sweep()
    assert _rows(made) == []
