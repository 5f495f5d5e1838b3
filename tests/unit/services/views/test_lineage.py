"""The lineage costs what it shows: pages of the fleet without a head, an image with what is above and below it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.growth import scenarios, seeded
from benchmarks.growth.seeded import SeededFleet, name_of
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.lineage import LineageFault, LineageProblem
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.services.views.views import LineageView
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import JAVA

TREE = {"a-base": None, "b-java": "a-base", "c-app": "b-java", "d-web": "a-base"}


def rewrite(made: SimulatedWorld, change: Callable[[Row], dict[str, str | int | bool]]) -> None:
    """Give the fleet's copies other cells, as another release would."""
    tables = made.ports.tables
    for row in tables.scan("index", "fleet"):
        written = TableWrite(verb=WriteKind.REPLACE, row=replace(row, cells=change(row)))
        tables.write("index", [written])


def without_parent(row: Row) -> dict[str, str | int | bool]:
    return {name: cell for name, cell in row.cells.items() if name != "parent"}


def whole_fleet(made: SimulatedWorld, limit: int) -> list[LineageView]:
    pages: list[LineageView] = []
    after: tuple[ImageName, ...] = ()
    for _ in range(100):
        pages.append(made.factory.queries.lineage(after=after, limit=limit))
        following = pages[-1].next
        if following is None:
            return pages
        after = (ImageName(following),)
    raise AssertionError("the pages do not end")


def whole_subtree(made: SimulatedWorld, image: str, limit: int) -> list[LineageView]:
    pages: list[LineageView] = []
    after: tuple[ImageName, ...] = ()
    for _ in range(100):
        pages.append(made.factory.queries.lineage(ImageName(image), after=after, limit=limit))
        following = pages[-1].next
        if following is None:
            return pages
        after = tuple(ImageName(name) for name in following.split("/"))
    raise AssertionError("the pages do not end")


def test_no_head_is_parsed_for_a_page_of_the_fleet() -> None:
    made = scenes.registered(TREE)
    before = made.factory.queries.lineage()
    assert before.parents == TREE
    rewrite(made, lambda row: {**row.cells, "value": "not a head"})
    assert made.factory.queries.lineage() == before


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_of_the_fleet_have_every_image_once_with_its_parent(limit: int) -> None:
    made = scenes.registered(TREE)
    pages = whole_fleet(made, limit)
    assert [name for page in pages for name in sorted(page.parents)] == sorted(TREE)
    assert {name: parent for page in pages for name, parent in page.parents.items()} == TREE
    assert all(sorted(page.parents) == sorted(sum(page.levels, ())) for page in pages)
    assert not any(page.errors for page in pages)


def test_a_page_counts_levels_from_the_images_that_it_has() -> None:
    made = scenes.registered(TREE)
    first, second, last = whole_fleet(made, 2)
    assert (last.parents, last.next) == ({}, None)  # a full page may have a next one
    assert first.levels == (("a-base",), ("b-java",))
    assert second.levels == (("c-app", "d-web"),)
    assert second.parents == {"c-app": "b-java", "d-web": "a-base"}


def test_a_page_costs_two_reads_however_large_the_fleet_is() -> None:
    for count in (300, 900):
        fleet = seeded.current(scenarios.broad(count))
        assert fleet.cost(lambda: fleet.world.factory.queries.lineage(limit=100)).tables == 2  # noqa: B023
    assert fleet.cost(fleet.world.factory.queries.lineage).tables == 1  # the page is the fleet


def test_a_page_that_is_not_the_fleet_takes_what_the_sweep_recorded() -> None:
    made = scenes.registered(TREE)
    problem = LineageProblem(image=ImageName("b-java"), reason="depth", message="is too deep")
    made.base.records.lineage.add_fault(LineageFault(problem=problem))
    view = made.factory.queries.lineage(limit=3)
    assert view.parents == {"a-base": None}
    assert view.errors == (
        problem,
        LineageProblem(
            image=ImageName("c-app"), reason="depth", message="is below 'b-java', which is too deep"
        ),
    )


def test_a_page_that_is_the_fleet_says_itself_who_has_no_place() -> None:
    made = scenes.registered(TREE)
    rewrite(made, lambda row: {**row.cells, "parent": "gone"} if row.key == "b-java" else dict(row.cells))
    view = made.factory.queries.lineage()
    assert sorted(view.parents) == ["a-base", "d-web"]
    assert [(str(each.image), each.reason) for each in view.errors] == [
        ("b-java", "orphan"),
        ("c-app", "orphan"),
    ]


def test_copies_of_an_older_release_are_read_whole_until_the_sweep_has_written_them_again() -> None:
    made = scenes.registered(TREE)
    before = made.factory.queries.lineage()
    rewrite(made, without_parent)
    assert made.factory.queries.lineage() == before
    assert [page.parents for page in whole_fleet(made, 3)] == [
        {"a-base": None, "b-java": "a-base", "c-app": "b-java"},
        {"d-web": "a-base"},
    ]
    made.factory.sweeper.sweep()
    assert [copy.is_placed for copy in made.base.records.fleet.copies()] == [True] * 4
    rewrite(made, lambda row: {**row.cells, "value": "not a head"})
    assert made.factory.queries.lineage() == before


def test_the_sweep_repairs_a_parent_that_an_older_release_left_beside_the_head() -> None:
    made = scenes.registered(TREE)
    rewrite(made, lambda row: {**row.cells, "parent": "d-web"} if row.key == "c-app" else dict(row.cells))
    assert made.factory.queries.lineage().parents["c-app"] == "d-web"
    made.factory.sweeper.sweep()
    assert made.factory.queries.lineage().parents["c-app"] == "b-java"


def test_one_sweep_writes_a_bounded_number_of_copies_again() -> None:
    fleet = seeded.current(seeded.below_one(150))
    quiet = fleet.sweep().tables
    rewrite(fleet.world, without_parent)
    for placed in (100, 151):
        assert quiet < fleet.sweep().tables <= quiet + 4 * 100
        copies = list(fleet.world.base.records.fleet.copies())
        assert sum(copy.is_placed for copy in copies) == placed
    assert fleet.sweep().tables == quiet


def test_an_image_whose_row_says_nothing_is_named() -> None:
    made = scenes.registered(TREE)
    rewrite(made, lambda row: {"schema": 1, "value": "?"} if row.key == "d-web" else dict(row.cells))
    view = made.factory.queries.lineage()
    assert sorted(view.parents) == ["a-base", "b-java", "c-app"]
    assert [(str(each.image), each.reason) for each in view.errors] == [("d-web", "unreadable")]


def test_a_move_is_shown_at_once() -> None:
    made = scenes.registered(TREE)
    made.register("c-app", "d-web")
    assert made.factory.queries.lineage().parents["c-app"] == "d-web"
    assert made.factory.queries.lineage(ImageName("c-app")).levels == (("a-base",), ("d-web",), ("c-app",))
    assert "c-app" not in made.factory.queries.lineage(ImageName("b-java")).parents


def test_one_image_shows_what_is_above_and_below_it() -> None:
    made = scenes.registered()
    view = made.factory.queries.lineage(JAVA)
    assert view.levels == (("rhel9-base",), ("rhel9-java",), ("payments-api",))
    assert view.parents == {"rhel9-base": None, "rhel9-java": "rhel9-base", "payments-api": "rhel9-java"}
    assert (view.errors, view.next) == ((), None)
    with pytest.raises(NotFound, match="image gone is not registered"):
        made.factory.queries.lineage(ImageName("gone"))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
def test_pages_below_an_image_have_every_descendant_once(limit: int) -> None:
    fleet = seeded.current([*seeded.levels(3, 2), None])
    pages = whole_subtree(fleet.world, str(name_of(0)), limit)
    below = [name for page in pages for name in page.parents if name != str(name_of(0))]
    assert sorted(below) == [str(name_of(place)) for place in range(1, 15)]
    assert all(len(page.parents) <= limit + 1 for page in pages)
    parents = {name: parent for page in pages for name, parent in page.parents.items()}
    assert parents == {
        str(head.name): None if head.registration.parent is None else str(head.registration.parent)
        for head in fleet.heads()
        if head.name != name_of(15)
    }


@pytest.mark.parametrize("count", [300, 900])
def test_a_page_below_an_image_costs_a_read_for_each_image_that_it_shows(count: int) -> None:
    fleet = seeded.current(scenarios.broad(count))
    queries = fleet.world.factory.queries
    shown = len(queries.lineage(name_of(0), limit=50).parents)
    assert shown == 51
    first = fleet.cost(lambda: queries.lineage(name_of(0), limit=50))
    assert first.tables <= shown + 2
    leaf = ImageName(max(str(head.name) for head in fleet.heads()))
    assert fleet.cost(lambda: queries.lineage(leaf)).tables <= 4  # three heads, and nothing below
    following = queries.lineage(name_of(0), limit=50).next
    assert following is not None
    after = tuple(ImageName(name) for name in following.split("/"))
    later = fleet.cost(lambda: queries.lineage(name_of(0), after=after, limit=50))
    assert later.tables <= shown + 2 + len(after)


def test_a_cursor_whose_image_is_gone_goes_on_behind_it() -> None:
    fleet: SeededFleet = seeded.current(seeded.below_one(5))
    queries = fleet.world.factory.queries
    first = queries.lineage(name_of(0), limit=2)
    assert first.next == str(name_of(2))
    fleet.world.base.records.index.remove_child(name_of(0), name_of(2))
    rest = queries.lineage(name_of(0), after=(name_of(2),), limit=200)
    assert sorted(rest.parents) == [str(name_of(place)) for place in (0, 3, 4, 5)]


def test_a_cycle_ends_the_walk() -> None:
    made = scenes.registered(TREE)
    made.base.records.index.add_child(ImageName("c-app"), ImageName("a-base"))
    view = made.factory.queries.lineage(ImageName("a-base"))
    assert sorted(view.parents) == sorted(TREE)
    assert [(str(each.image), each.reason) for each in view.errors] == [("a-base", "cycle")]
