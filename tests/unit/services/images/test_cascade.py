"""A published image looks at its family once: the builds of its children begin together, others get a message."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from benchmarks.growth import seeded
from benchmarks.growth.seeded import SeededFleet, name_of
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import ANY_ETAG, Row, TableWrite, WriteKind
from pipeline_core.state.index import MOST_TOGETHER
from pipeline_core.wire.messages import PublishedMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.unreadable_rows import keys, make_unreadable

PARENT, GRANDPARENT = name_of(1), name_of(0)
NEWER = GalleryVersion(9, 20261130, 1)


@dataclass(slots=True, kw_only=True)
class _Counted:
    """Tables that count each point read, and call `after` behind it and `before` ahead of each write."""

    inner: MemoryTables
    reads: Counter[tuple[str, str]]
    before: Callable[[Sequence[TableWrite]], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None

    def find(self, table: str, partition: str, key: str) -> Row | None:
        self.reads[partition, key] += 1
        found = self.inner.find(table, partition, key)
        self.after(partition)
        return found

    def scan(self, table: str, partition: str, **bounds: Any) -> Sequence[Row]:
        return self.inner.scan(table, partition, **bounds)

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        self.before(writes)
        return self.inner.write(table, writes)


def _fleet(children: int) -> SeededFleet:
    """A base, an image on it that has just got a newer version, and so many images on that one."""
    fleet = seeded.current([None, 0, *[1] * children])
    fleet.change(lambda head: _newer(head) if head.name == PARENT else head)
    return fleet


def _newer(head: ImageHead, version: GalleryVersion = NEWER) -> ImageHead:
    assert head.current is not None
    return replace(
        head, current=replace(head.current, version=version), pointer_revision=head.pointer_revision + 1
    )


def _publish(made: SimulatedWorld, image: ImageName = PARENT) -> None:
    made.factory.cascade.handle(PublishedMessage(image=str(image), version=str(NEWER), campaign="test"))


def _counted(fleet: SeededFleet) -> _Counted:
    tables = _Counted(inner=fleet.world.ports.tables, reads=Counter())
    scenes.rewired(fleet.world, tables=tables)
    return tables


def _building(fleet: SeededFleet) -> list[str]:
    return [str(head.name) for head in fleet.heads() if head.active is not None]


def test_the_builds_of_the_children_begin_with_one_message_and_one_read_of_what_they_share() -> None:
    fleet = _fleet(5)
    tables = _counted(fleet)
    _publish(fleet.world)
    children = [name_of(2 + number) for number in range(5)]
    assert _building(fleet) == [str(child) for child in children]
    assert scenes.asked(fleet.world) == []
    assert len(scenes.texts(fleet.world, "dispatch-requests")) == 1
    assert tables.reads[str(PARENT), "head"] == 1
    assert tables.reads[str(GRANDPARENT), "head"] == 1
    assert [tables.reads[str(child), "head"] for child in children] == [1] * 5


def test_children_that_began_together_are_found_by_dispatcher_sweep_and_lists() -> None:
    fleet = _fleet(3)
    _publish(fleet.world)
    made = fleet.world
    started = {scenes.active(made, name_of(2 + number)).value.id for number in range(3)}
    assert set(scenes.index(made).active()) == started
    assert {row.value.build for row in scenes.index(made).pending(limit=10)} == started
    assert {scenes.stored(made, build).value.campaign for build in started} == {CampaignId("test")}
    made.factory.sweeper.sweep()
    assert scenes.asked(made) == []  # the copies say that they build
    made.factory.dispatcher.dispatch()
    assert {scenes.stored(made, build).value.phase for build in started} == {Phase.BUILDING}


def test_the_same_message_again_begins_nothing_more() -> None:
    fleet = _fleet(2)
    _publish(fleet.world)
    first = [scenes.active(fleet.world, name_of(2 + number)).value.id for number in range(2)]
    _publish(fleet.world)
    assert scenes.asked(fleet.world) == [str(name_of(2)), str(name_of(3))]  # a look makes sure of their rows
    fleet.world.drain()
    assert [len(scenes.builds(fleet.world, name_of(2 + number))) for number in range(2)] == [1, 1]
    assert [scenes.builds(fleet.world, name_of(2 + number))[0].id for number in range(2)] == first


def test_many_children_are_asked_by_messages() -> None:
    fleet = _fleet(MOST_TOGETHER + 1)
    _publish(fleet.world)
    assert _building(fleet) == []
    assert len(scenes.asked(fleet.world)) == MOST_TOGETHER + 1


def test_as_many_as_belong_into_one_transaction_begin_together() -> None:
    fleet = _fleet(MOST_TOGETHER)
    _publish(fleet.world)
    assert len(_building(fleet)) == MOST_TOGETHER


def test_a_child_that_rests_or_builds_gets_a_look_of_its_own() -> None:
    fleet = _fleet(3)
    made = fleet.world
    made.factory.requests.request(name_of(2), scenes.ADMIN, "test", "test")  # it has a pending build
    fleet.change(
        lambda head: (
            replace(head, registration=replace(head.registration, suspend=True))
            if head.name == name_of(3)
            else head
        )
    )
    scenes.lose(made)
    _publish(made)
    assert scenes.asked(made) == [str(name_of(2)), str(name_of(3))]
    assert str(name_of(4)) in _building(fleet)


def test_a_child_whose_head_changes_before_its_build_is_committed_gets_a_look_of_its_own() -> None:
    fleet = _fleet(2)
    tables = _counted(fleet)
    race = scenes.once(lambda: scenes.touch(fleet.world, name_of(2)))

    def before(writes: Sequence[TableWrite]) -> None:
        if writes[0].row.partition == str(name_of(2)):
            race()

    tables.before = before
    _publish(fleet.world)
    assert scenes.asked(fleet.world) == [str(name_of(2))]
    assert scenes.head(fleet.world, name_of(2)).active is None
    assert scenes.head(fleet.world, name_of(3)).active is not None


def test_an_input_that_changes_after_the_heads_were_read_is_never_built_from() -> None:
    """The heads are read first: who acts on the newer input changes one of them, and the older plan is refused."""
    fleet = _fleet(1)
    made, child = fleet.world, name_of(2)
    newest = replace(NEWER, sequence=2)

    def publish_again() -> None:
        fleet.change(lambda head: _newer(head, newest) if head.name == PARENT else head)
        scenes.look(made, child)

    run = scenes.once(publish_again)
    tables = _counted(fleet)
    tables.after = lambda partition: run() if partition == str(PARENT) else None
    _publish(made)
    assert scenes.active(made, child).value.inputs.origin == ParentVersion(image=PARENT, version=newest)
    assert len(scenes.builds(made, child)) == 1


def test_a_child_that_was_moved_is_not_planned_with_the_old_parent() -> None:
    fleet = _fleet(2)
    made = fleet.world
    scenes.index(made).add_child(PARENT, name_of(0))  # a row that is left over
    _publish(made)
    assert scenes.asked(made) == [str(name_of(0))]


@pytest.mark.parametrize("row", ["head", "claim"])
def test_a_row_of_one_child_that_cannot_be_read_keeps_no_other_child(row: str) -> None:
    fleet = _fleet(2)
    made, child = fleet.world, name_of(2)
    if row == "claim":
        fleet.block()
        (other,) = keys(made, "images", str(name_of(3)), "claim:")
        gone = Row(partition=str(name_of(3)), key=other, cells={}, etag=ANY_ETAG)
        made.ports.tables.write("images", [TableWrite(verb=WriteKind.DELETE, row=gone)])
    (key,) = keys(made, "images", str(child), row)
    make_unreadable(made, "images", str(child), key)
    _publish(made)
    assert scenes.asked(made) == [str(child)]
    assert scenes.head(made, name_of(3)).active is not None


def test_a_source_that_cannot_be_read_lets_each_child_look_for_itself() -> None:
    fleet = _fleet(2)
    (source,) = keys(fleet.world, "index", "sources")
    make_unreadable(fleet.world, "index", "sources", source)
    _publish(fleet.world)
    assert scenes.asked(fleet.world) == [str(name_of(2)), str(name_of(3))]


def test_copies_that_others_wrote_meanwhile_are_written_one_by_one() -> None:
    fleet = _fleet(2)
    tables = _counted(fleet)
    touched = scenes.once(lambda: _touch_copy(fleet, name_of(3)))

    def before(writes: Sequence[TableWrite]) -> None:
        if writes[0].row.partition == "pending":
            touched()

    tables.before = before
    _publish(fleet.world)
    assert _building(fleet) == [str(name_of(2)), str(name_of(3))]


def test_a_row_that_another_look_added_first_keeps_no_other_build_out_of_the_line() -> None:
    fleet = _fleet(2)
    made = fleet.world
    tables = _counted(fleet)

    def add() -> None:
        scenes.index(made).add_active(scenes.active(made, name_of(2)).value.id)

    run = scenes.once(add)

    def before(writes: Sequence[TableWrite]) -> None:
        if writes[0].row.partition == "active":
            run()

    tables.before = before
    _publish(made)
    started = {scenes.active(made, name_of(2 + number)).value.id for number in range(2)}
    assert set(scenes.index(made).active()) == started
    assert {row.value.build for row in scenes.index(made).pending(limit=10)} == started


def _touch_copy(fleet: SeededFleet, image: ImageName) -> None:
    stored = fleet.world.base.records.images.get_head(image)
    scenes.index(fleet.world).project(image, stored.value)
