"""Places in the forest: limits hold for moved trees and for two editors, and nothing is left half done."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import lineage
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import (
    AlreadyExists,
    Contended,
    FactoryError,
    PermanentError,
    StaleWrite,
    UnreadableRow,
)
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import LIVE, ImageName
from pipeline_core.domain.sources import ParentReference
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.services.images import places
from pipeline_core.state import images as records
from pipeline_core.state.lineage import LineageStore
from pipeline_core.wire.messages import ANCESTOR_ENDED
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, SOURCE, SimulatedWorld
from tests.unit.services import scenes, unreadable_rows

BASE, A, B = ImageName("base"), ImageName("a"), ImageName("b")


def _chain(prefix: str, count: int) -> dict[str, str | None]:
    """A root and a chain of images below it, `count` in all."""
    return {f"{prefix}{number}": f"{prefix}{number - 1}" if number else None for number in range(count)}


def _ledger(made: SimulatedWorld) -> lineage.MoveLedger:
    return LineageStore(made.ports.tables).read()[0]


def _children(made: SimulatedWorld, parent: ImageName) -> list[str]:
    return [str(child) for child in scenes.index(made).children(parent)]


def _refused(made: SimulatedWorld, name: str, parent: str) -> str:
    with pytest.raises(InvalidDocument) as refused:
        made.register(name, parent)
    return "; ".join(f"{each.path} {each.message}" for each in refused.value.problems)


def _etag(made: SimulatedWorld, image: ImageName) -> str:
    return scenes.head(made, image).document_etag


def _meanwhile(made: SimulatedWorld, action: Callable[[], object], *, at: str) -> None:
    """Run `action` once, whole, just before a write of the row with this key."""
    clean, race = made.ports.tables, scenes.once(action)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key == at for write in writes):
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=clean, before=before))


def test_a_tree_that_is_moved_counts_with_everything_below_it() -> None:
    made = scenes.registered({**_chain("x", 10), **_chain("y", 10)})
    said = _refused(made, "y1", "x9")
    assert "puts y7, which is below the image, on level 17, and 16 are allowed" in said
    made.register("y4", "x9")  # levels 11 to 16
    assert scenes.head(made, ImageName("y4")).registration.parent == ImageName("x9")


def test_rows_of_the_index_that_nothing_stands_behind_do_not_count_as_depth() -> None:
    made = scenes.registered({**_chain("x", 16), "y0": None, "y1": "y0", "left": None})
    scenes.index(made).add_child(ImageName("y1"), ImageName("left"))
    made.register("y1", "x14")
    assert scenes.head(made, ImageName("y1")).registration.parent == ImageName("x14")


def test_two_editors_at_one_moment_make_no_cycle() -> None:
    made = scenes.registered({"base": None, "a": "base", "b": "base"})
    clean = made.factory
    other = _register(made, "b", "a")
    _meanwhile(made, lambda: other(clean), at="ledger")
    said = _refused(made, "a", "b")
    assert "makes a cycle: a -> b -> a" in said
    assert scenes.head(made, B).registration.parent == A
    assert _ledger(made).moves == ()


def test_an_editor_who_begins_while_a_move_is_under_way_has_to_come_again() -> None:
    made = scenes.registered({"base": None, "a": "base", "b": "base"})
    clean = made.factory
    seen: list[FactoryError] = []

    def other() -> None:
        try:
            _register(made, "b", "a")(clean)
        except FactoryError as error:
            seen.append(error)

    _meanwhile(made, other, at="move")
    made.register("a", "b")
    assert [type(error) for error in seen] == [Contended]
    assert scenes.head(made, B).registration.parent == BASE


def test_a_chain_does_not_become_too_deep_by_two_editors() -> None:
    made = scenes.registered({**_chain("x", 14), "a": "x0", "b": "a"})
    clean = made.factory
    _meanwhile(made, lambda: _register(made, "c", "b")(clean), at="ledger")
    said = _refused(made, "a", "x13")  # levels 15 and 16, and the new one would be on 17
    assert "puts c, which is below the image, on level 17" in said


def test_a_parent_that_is_deleted_between_check_and_write_is_refused() -> None:
    made = scenes.registered({"base": None, "p": "base"})
    clean, parent = made.factory, ImageName("p")
    etag = _etag(made, parent)
    scenes.lose(made)
    _meanwhile(made, lambda: clean.registrar.unregister(parent, ADMIN, etag), at="ledger")
    assert "'p' was deleted meanwhile" in _refused(made, "x", "p")
    assert scenes.images(made).find_head(ImageName("x")) is None
    assert _ledger(made).moves == ()


def test_a_parent_is_not_deleted_while_a_child_is_being_registered() -> None:
    made = scenes.registered({"base": None, "p": "base"})
    clean, parent = made.factory, ImageName("p")
    etag, seen = _etag(made, parent), []

    def delete() -> None:
        with pytest.raises(AlreadyExists) as refused:
            clean.registrar.unregister(parent, ADMIN, etag)
        seen.append(str(refused.value))

    _meanwhile(made, delete, at="move")
    made.register("x", "p")
    assert seen == ["x is built from p: delete or move it first"]
    assert scenes.images(made).find_head(parent) is not None


def test_a_mover_who_loses_the_race_leaves_no_row() -> None:
    made = scenes.registered({"base": None, "p1": "base", "p2": "base", "x": "p1"})
    image, clean = ImageName("x"), made.factory
    etag = _etag(made, image)
    _meanwhile(made, lambda: _register(made, "x", "p1", text="other")(clean), at="move")
    with pytest.raises(StaleWrite):
        _register(made, "x", "p2", expected=etag)(made.factory)
    scenes.rewired(made)
    assert _children(made, ImageName("p2")) == []
    assert _children(made, ImageName("p1")) == ["x"]
    made.factory.registrar.unregister(ImageName("p2"), ADMIN, _etag(made, ImageName("p2")))
    assert _ledger(made).moves == ()


@pytest.mark.parametrize("at", ["head", "fleet", "children"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_process_that_dies_in_a_registration_leaves_nothing_that_the_sweep_does_not_repair(
    at: str, is_new: bool
) -> None:
    made = scenes.registered({"base": None, "p1": "base", "p2": "base", **({} if is_new else {"x": "p1"})})
    before = _ledger(made).count

    class Died(BaseException):
        pass

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        partition = "children:p2" if at == "children" else at
        if any(write.row.partition == partition or write.row.key == at == "head" for write in writes):
            raise Died

    clean = made.ports.tables
    scenes.rewired(made, tables=scenes.WatchedTables(inner=clean, before=die))
    with pytest.raises(Died):
        made.register("x", "p2")
    scenes.rewired(made)
    assert len(_ledger(made).moves) == 1
    made.ports.clock.advance(places.LEFT_AFTER)
    made.factory.sweeper.sweep()
    assert _ledger(made).moves == ()
    assert _ledger(made).count == before
    assert _children(made, ImageName("p2")) == []
    assert _children(made, ImageName("p1")) == ([] if is_new else ["x"])
    made.register("x", "p2")
    assert _children(made, ImageName("p2")) == ["x"]
    assert _ledger(made).count == 4


def test_a_process_that_dies_after_its_write_has_moved_the_image() -> None:
    made = scenes.registered({"base": None, "p1": "base", "p2": "base", "x": "p1"})

    class Died(BaseException):
        pass

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.partition == "children:p1" for write in writes):
            raise Died

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))
    with pytest.raises(Died):
        made.register("x", "p2")
    scenes.rewired(made)
    made.ports.clock.advance(places.LEFT_AFTER)
    made.factory.sweeper.sweep()
    assert (_children(made, ImageName("p1")), _children(made, ImageName("p2"))) == ([], ["x"])
    assert _ledger(made).moves == ()


@pytest.mark.parametrize("key", ["head", "move"])
def test_a_left_move_with_a_row_that_cannot_be_read_holds_back_its_own_image_and_no_other(key: str) -> None:
    made = scenes.registered({"base": None, "p1": "base", "p2": "base", "x": "p1", "y": "p1", "z": "p1"})

    class Died(BaseException):
        pass

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key == "head" for write in writes):
            raise Died

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))
    with pytest.raises(Died):
        made.register("x", "p2")
    scenes.rewired(made)
    etag = _etag(made, ImageName("x"))
    row = unreadable_rows.make_unreadable(made, "images", "x", key)
    made.ports.clock.advance(places.LEFT_AFTER)
    made.register("new", "p1")
    made.register("y", "p2")
    made.factory.registrar.unregister(ImageName("z"), ADMIN, _etag(made, ImageName("z")))
    assert _children(made, ImageName("p2")) == ["x", "y"]
    assert [str(move.image) for move in _ledger(made).moves] == ["x"]
    with pytest.raises((Contended, UnreadableRow)):
        _register(made, "x", "base", expected=etag)(made.factory)
    with pytest.raises((Contended, UnreadableRow)):
        made.register("below", "x")
    unreadable_rows.put(made, "images", row)
    made.register("below", "x")
    assert _ledger(made).moves == ()


def test_a_slow_writer_whose_move_was_given_up_does_not_write() -> None:
    made = scenes.registered({"base": None, "p1": "base", "p2": "base"})
    clean = made.factory

    def others() -> None:
        made.ports.clock.advance(places.LEFT_AFTER)
        clean.sweeper.sweep()
        clean.registrar.unregister(ImageName("p2"), ADMIN, _etag(made, ImageName("p2")))

    scenes.lose(made)
    _meanwhile(made, others, at="head")
    with pytest.raises(InvalidDocument, match="p2"):
        made.register("x", "p2")
    assert scenes.images(made).find_head(ImageName("x")) is None


def test_the_fleet_is_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_IMAGES", 3)
    made = scenes.registered({"base": None, "a": "base", "b": "base"})
    with pytest.raises(PermanentError, match="the factory has 3 images, as many as it may have"):
        made.register("c", "base")
    assert scenes.images(made).find_head(ImageName("c")) is None
    scenes.lose(made)
    made.register("b", "base", text="an edit is no new image")
    made.factory.registrar.unregister(B, ADMIN, _etag(made, B))
    made.register("c", "base")
    assert _ledger(made).count == 3


def test_a_factory_of_an_older_release_is_counted_once() -> None:
    made = scenes.registered({"base": None, "a": "base"})
    _forget_ledger(made)
    made.register("b", "base")
    assert _ledger(made).count == 3
    assert lineage.MAX_IMAGES == 10_000


def _forget_ledger(made: SimulatedWorld) -> None:
    for row in made.ports.tables.rows("index"):
        if row.partition == "lineage":
            made.ports.tables.write("index", [TableWrite(verb=WriteKind.DELETE, row=row)])


def test_rows_without_a_registration_are_repaired_in_turn() -> None:
    made = scenes.registered({"base": None, "a": "base", "b": "base"})
    index = scenes.index(made)
    index.add_child(A, B)
    index.remove_child(BASE, B)
    index.add_root(SOURCE, A)
    index.remove_root(SOURCE, BASE)
    for _ in range(8):
        made.ports.clock.advance(timedelta(minutes=10))
        made.factory.sweeper.sweep()
    assert (_children(made, A), _children(made, BASE)) == ([], ["a", "b"])
    assert list(index.roots(SOURCE)) == [BASE]


def _broken(made: SimulatedWorld, image: ImageName, parent: ImageName) -> None:
    """The image below a parent, as two editors at one moment could have stored it before moves had an order."""
    found = scenes.images(made).get_head(image)
    origin = ParentReference(image=parent, channel=LIVE)
    moved = replace(found.value, registration=replace(found.value.registration, origin=origin))
    scenes.images(made).commit([records.put_head(moved, etag=found.etag)])
    scenes.index(made).add_child(parent, image)
    scenes.index(made).project(image, moved)


CYCLE = {"base": None, "a": "base", "b": "a", "c": "b"}
DEEP: dict[str, Any] = {**_chain("x", 12), **_chain("y", 8)}


@pytest.mark.parametrize(
    ("parents", "edge", "broken", "reason"),
    [
        (CYCLE, ("a", "b"), ["a", "b", "c"], "Cycle"),
        (DEEP, ("y0", "x11"), ["y4", "y5", "y6", "y7"], "Depth"),
        ({"base": None, "a": "base"}, ("a", "gone"), ["a"], "Orphan"),
    ],
)
def test_a_lineage_that_is_stored_broken_is_one_record_and_a_condition_for_days(
    parents: dict[str, str | None], edge: tuple[str, str], broken: list[str], reason: str
) -> None:
    made = scenes.settled(parents)
    _broken(made, ImageName(edge[0]), ImageName(edge[1]))
    began = made.ports.clock.now()
    scenes.set_platform(made, "everything is stale")
    made.run_until(began + timedelta(days=2))
    assert not made.poisoned
    for name in map(ImageName, broken):
        shown = made.factory.queries.image(name).image
        (held,) = [each for each in shown.conditions if each.type is ConditionType.LINEAGE_BROKEN]
        assert (held.reason, held.since is not None and held.since >= began) == (reason, True)
        assert shown.state == "unknown"
        assert scenes.events(made, name).count(Event.LINEAGE_BROKEN) == 1
    listed = {view.name: view for view in made.factory.queries.images(limit=200).images}
    of_lists = {
        name
        for name, view in listed.items()
        if any(each.type is ConditionType.LINEAGE_BROKEN for each in view.conditions)
    }
    assert of_lists == set(broken)


def test_images_on_a_cycle_do_not_wake_each_other_for_ever() -> None:
    made = scenes.settled(CYCLE)
    _broken(made, A, B)
    scenes.look(made, A, ANCESTOR_ENDED)
    assert scenes.asked(made) == []


def test_a_broken_lineage_heals_when_somebody_moves_the_image() -> None:
    made = scenes.settled(CYCLE)
    _broken(made, A, B)
    made.settle()
    made.register("a", "base")
    made.settle()
    assert scenes.rest_of(made, B) == "current"
    assert LineageStore(made.ports.tables).faults() == {}


def test_nothing_is_put_below_a_lineage_that_is_broken() -> None:
    made = scenes.settled(CYCLE)
    _broken(made, A, B)
    assert "which descends from itself" in _refused(made, "d", "c")


def _register(
    made: SimulatedWorld, name: str, parent: str, *, text: str = "content", expected: str | None = None
) -> Callable[[Any], object]:
    """The registration of an image by another worker, on the services that it is called with."""
    digest = world.upload(made, text)

    def register(factory: Any) -> object:
        image = ImageName(name)
        known = scenes.images(made).find_head(image)
        etag = expected or (None if known is None else known.value.document_etag)
        return factory.registrar.register(
            image,
            fleet.document(name, parent),
            digest,
            ADMIN,
            expected=etag,
            create_only=known is None,
        )

    return register
