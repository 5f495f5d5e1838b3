"""Indexes: whole beyond one page, exact about names that begin alike, and safe to repeat."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.dispatch import PendingBuild, late_key, priority_key
from pipeline_core.domain.names import BuildId, ImageName, Region, TeamName
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.state.index import Index
from pipeline_core.state.rows import PAGE
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW, SOURCE, TEAM

ALIKE = ["a", "a-b", "a-b-c", "a-c", "a0", "ab", "b"]


@pytest.fixture
def index() -> Index:
    return Index(MemoryTables())


def _names(count: int) -> list[str]:
    """Names in the order of a table, with many that are the beginning of the next."""
    return sorted(
        [f"c{number}" for number in range(count // 2)] + [f"c{number}-x" for number in range(count // 2)]
    )


def test_children_beyond_one_page_are_all_found_once(index: Index) -> None:
    names = _names(2 * PAGE + 502)
    for name in names:
        index.add_child(BASE, ImageName(name))
    assert [str(child) for child in index.children(BASE)] == names


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1])
def test_a_page_that_is_just_full_ends_well(index: Index, count: int) -> None:
    for number in range(count):
        index.add_root(SOURCE, ImageName(f"root-{number}"))
    assert len(list(index.roots(SOURCE))) == count


def test_children_of_parents_whose_names_begin_alike_are_kept_apart(index: Index) -> None:
    for name in ALIKE:
        index.add_child(ImageName(name), ImageName(f"child-of-{name}"))
    for name in ALIKE:
        assert [str(child) for child in index.children(ImageName(name))] == [f"child-of-{name}"]


def test_removing_one_child_leaves_those_whose_names_begin_alike(index: Index) -> None:
    for name in ALIKE:
        index.add_child(BASE, ImageName(name))
    index.remove_child(BASE, ImageName("a-b"))
    assert [str(child) for child in index.children(BASE)] == sorted(set(ALIKE) - {"a-b"})


def test_sources_that_differ_by_case_are_one_and_others_are_kept_apart(index: Index) -> None:
    shouted = replace(SOURCE, publisher="REDHAT")
    other = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm", location=Region("westeurope"))
    index.add_root(SOURCE, BASE)
    index.add_root(shouted, BASE)
    assert list(index.roots(SOURCE)) == [BASE]
    assert list(index.roots(other)) == []


def test_every_change_is_safe_to_repeat(index: Index) -> None:
    build = make.build().id
    pending = PendingBuild(key="1-99-x", build=build, team=TEAM)
    for _ in range(2):
        index.add_child(BASE, ImageName("c"))
        index.add_active(build)
        index.add_pending(pending)
    assert list(index.children(BASE)) == [ImageName("c")]
    assert list(index.active()) == [build]
    assert [row.value for row in index.pending(limit=10)] == [pending]
    for _ in range(2):
        index.remove_child(BASE, ImageName("c"))
        index.remove_active(build)
        index.remove_pending(pending.key)
    assert list(index.children(BASE)) == []
    assert list(index.active()) == []
    assert list(index.pending(limit=10)) == []


def test_a_pending_row_that_changed_meanwhile_is_not_removed_by_its_old_etag(index: Index) -> None:
    pending = PendingBuild(key="1-99-x", build=make.build().id, team=TEAM)
    index.add_pending(pending)
    (old,) = index.pending(limit=1)
    index.remove_pending(pending.key)
    index.add_pending(pending)
    index.remove_pending(pending.key, etag=old.etag)
    assert [row.value for row in index.pending(limit=1)] == [pending]
    (new,) = index.pending(limit=1)
    index.remove_pending(pending.key, etag=new.etag)
    assert list(index.pending(limit=1)) == []


def test_pending_builds_come_in_their_order_page_by_page(index: Index) -> None:
    keys = []
    for number, (lane, height) in enumerate((lane, height) for lane in Lane for height in (0, 1, 12)):
        build = BuildId(f"image-{number}.000000000000.1")
        key = priority_key(lane, height, NOW, build)
        keys.append(key)
        index.add_pending(PendingBuild(key=key, build=build, team=TEAM))
    seen: list[str] = []
    while True:
        page = index.pending(after=seen[-1] if seen else "", limit=2)
        if not page:
            break
        seen += [row.value.key for row in page]
    assert seen == sorted(keys)
    assert seen[0].startswith(f"{Lane.SECURITY.value}-999987-")  # the longest chain of the first lane


def test_pending_keys_that_begin_alike_are_not_passed_over(index: Index) -> None:
    first, second = BuildId("a.000000000000.1"), BuildId("a.000000000000.12")
    for build in (first, second):
        key = priority_key(Lane.HUMAN, 0, NOW, build)
        index.add_pending(PendingBuild(key=key, build=build, team=TEAM))
    (row,) = index.pending(limit=1)
    assert row.value.build == first
    assert [row.value.build for row in index.pending(after=row.value.key, limit=5)] == [second]


def test_late_and_parked_builds_are_in_lines_of_their_own(index: Index) -> None:
    urgent, late = _waiting(1), _waiting(2, late=True)
    for pending in (urgent, late, _waiting(3), _waiting(4, late=True)):
        index.add_pending(pending)
    index.park([*index.pending(limit=10)[1:2], *index.late(limit=10)[1:]])
    assert [row.value for row in index.pending(limit=10)] == [urgent, late]
    assert [row.value for row in index.late(limit=10)] == [late]
    parked = [_waiting(3).parked(), _waiting(4, late=True).parked()]
    assert [row.value for row in index.parked(TEAM, limit=10)] == parked
    assert [row.value for row in index.parked(TEAM, limit=1)] == parked[:1]
    assert [row.value for row in index.parked(TEAM, limit=10, late=True)] == parked[1:]
    assert list(index.parked(TeamName(f"{TEAM}-x"), limit=10)) == []
    assert [row.value for row in index.waiting(limit=10)] == [urgent, late, *parked]
    for row in index.parked(TEAM, limit=10):
        index.remove_pending(row.value.key, etag=row.etag)
    assert list(index.parked(TEAM, limit=10)) == []


def test_a_hundred_builds_are_parked_in_a_few_transactions() -> None:
    tables = MemoryTables()
    index = Index(tables)
    for number in range(100):
        index.add_pending(_waiting(number))
    rows = index.pending(limit=100)
    before = tables.operations
    index.park(rows)
    assert tables.operations - before == 3
    assert list(index.pending(limit=1)) == []
    assert len(index.parked(TEAM, limit=200)) == 100


def test_the_teams_with_parked_builds_are_found_at_one_read_each() -> None:
    tables = MemoryTables()
    index = Index(tables)
    assert list(index.parked_teams()) == []
    for number, team in enumerate(ALIKE * 2):
        index.add_pending(replace(_waiting(number), team=TeamName(team)))
    index.park(index.pending(limit=100))
    before = tables.operations
    assert sorted(map(str, index.parked_teams())) == sorted(ALIKE)
    assert tables.operations - before == len(ALIKE) + 1


def test_parking_is_safe_to_repeat_and_leaves_what_has_changed(index: Index) -> None:
    for number in range(3):
        index.add_pending(_waiting(number))
    rows = index.pending(limit=10)
    index.park(rows[:1])
    index.add_pending(_waiting(0))  # the sweep put it back, not knowing better
    index.remove_pending(rows[1].value.key)  # started by another pass
    index.park([*index.pending(limit=1), rows[1], rows[2]])
    assert list(index.pending(limit=10)) == []
    assert [row.value.build for row in index.parked(TEAM, limit=10)] == [
        _waiting(0).build,
        _waiting(2).build,
    ]


def test_a_parked_build_is_not_put_back_by_who_knows_of_parking(index: Index) -> None:
    index.add_pending(_waiting(0), again=True)
    index.park(index.pending(limit=1))
    index.add_pending(_waiting(0), again=True)
    assert list(index.pending(limit=10)) == []
    assert len(index.parked(TEAM, limit=10)) == 1


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("parked", [False, True])
def test_a_build_that_will_not_start_leaves_every_line(index: Index, *, late: bool, parked: bool) -> None:
    build = make.build(priority=priority_key(Lane.HUMAN, 0, NOW, make.build().id))
    key = late_key(NOW, build.id) if late else build.priority
    index.add_pending(PendingBuild(key=key, build=build.id, team=build.team))
    if parked:
        index.park(index.pending(limit=1))
    for _ in range(2):
        index.withdraw(build)
    assert list(index.pending(limit=10)) == []
    assert list(index.parked(build.team, limit=10)) == []


def _waiting(number: int, *, late: bool = False) -> PendingBuild:
    build = BuildId(f"image-{number}.000000000000.1")
    at = NOW + timedelta(seconds=number)
    key = late_key(at, build) if late else priority_key(Lane.HUMAN, 0, at, build)
    return PendingBuild(key=key, build=build, team=TEAM)


def test_the_fleet_comes_in_pages_and_holds_every_image_once(index: Index) -> None:
    for name in ALIKE:
        assert index.project(ImageName(name), make.head(ImageName(name)))
    seen: list[str] = []
    after = ""
    while True:
        page = index.fleet(after=after, limit=2)
        seen += [str(head.name) for head in page.heads]
        if page.after is None:
            break
        after = page.after
    assert seen == sorted(ALIKE)


def test_a_fleet_beyond_one_page_is_not_cut_off(index: Index) -> None:
    for number in range(PAGE + 3):
        index.project(ImageName(f"i{number}"), make.head(ImageName(f"i{number}")))
    first = index.fleet(limit=10 * PAGE)
    assert len(first.heads) == PAGE
    assert first.after is not None
    last = index.fleet(after=first.after)
    assert (len(last.heads), last.after) == (3, None)
    whole = [str(head.name) for head in index.heads()]
    assert whole == sorted(f"i{number}" for number in range(PAGE + 3))


def test_a_projection_is_replaced_and_removed(index: Index) -> None:
    index.project(BASE, make.head())
    newer = replace(make.head(), failures=2)
    assert index.project(BASE, newer)
    assert index.fleet().heads == (newer,)
    assert index.project(BASE, None)
    assert index.project(BASE, None)
    assert index.fleet().heads == ()


def test_a_projection_that_raced_says_so() -> None:
    tables = MemoryTables()
    late = Index(tables)

    class Racing(MemoryTables):
        def write(self, table: str, writes: object) -> list[str]:
            late.project(BASE, replace(make.head(), failures=1))
            return list(tables.write(table, writes))  # type: ignore[arg-type]  # as it came

        find = tables.find

    assert not Index(Racing()).project(BASE, make.head())
    (head,) = late.fleet().heads
    assert head.failures == 1
