"""The forest: every image has a place or a reason why it has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.lineage import (
    MAX_DEPTH,
    NO_MOVES,
    MoveLedger,
    chain_problem,
    faults_of,
    lineage_of,
    upwards,
)
from pipeline_core.domain.names import LIVE, ImageName
from pipeline_core.domain.sources import Origin, ParentReference
from tests.unit.domain.factories import NOW, SOURCE


def _name(number: int) -> ImageName:
    return ImageName(f"i{number}")


def test_levels_and_children_of_a_small_forest() -> None:
    a, b, c, d, other = map(ImageName, ("a", "b", "c", "d", "other"))
    lineage = lineage_of({d: b, b: a, a: None, c: a, other: None})
    assert lineage.by_level() == ((a, other), (b, c), (d,))
    assert lineage.ancestors(d) == (b, a)
    assert lineage.children == {a: (b, c), b: (d,)}
    assert lineage.errors == ()


@pytest.mark.parametrize(
    ("parents", "wanted"),
    [
        pytest.param({}, "a", id="a root"),
        pytest.param({"a": "b", "b": "c"}, "a b c", id="up to the root"),
        pytest.param({"a": "a"}, "a", id="its own parent"),
        pytest.param(
            {"a": "b", "b": "c", "c": "b"}, "a b c", id="a cycle above ends before a name comes again"
        ),
    ],
)
def test_the_walk_up_ends_at_the_root_or_before_a_name_comes_again(
    parents: dict[str, str], wanted: str
) -> None:
    known = {ImageName(child): ImageName(parent) for child, parent in parents.items()}
    assert " ".join(map(str, upwards(ImageName("a"), known.get))) == wanted


def test_the_walk_up_is_bounded() -> None:
    chain = {_name(number): _name(number + 1) for number in range(100)}
    assert len(list(upwards(_name(0), chain.get))) == MAX_DEPTH + 1


def test_an_empty_forest_has_no_level() -> None:
    assert lineage_of({}).by_level() == ()


def test_a_cycle_names_its_images_and_takes_those_below_with_it() -> None:
    a, b, c, below = map(ImageName, ("a", "b", "c", "below"))
    lineage = lineage_of({a: c, b: a, c: b, below: a})
    assert {str(error.image): error.reason for error in lineage.errors} == {
        "a": "cycle",
        "b": "cycle",
        "c": "cycle",
        "below": "cycle",
    }
    assert "a -> c -> b -> a" in next(error.message for error in lineage.errors if error.image == a)
    assert lineage.levels == {}


def test_an_image_that_is_its_own_parent_is_a_cycle() -> None:
    assert [error.reason for error in lineage_of({ImageName("a"): ImageName("a")}).errors] == ["cycle"]


def test_an_orphan_names_the_missing_parent() -> None:
    (error,) = lineage_of({ImageName("a"): ImageName("gone")}).errors
    assert error.reason == "orphan"
    assert "'gone'" in error.message


def test_below_a_broken_image_the_reason_is_passed_on() -> None:
    a, b = ImageName("a"), ImageName("b")
    errors = {str(error.image): error for error in lineage_of({a: ImageName("gone"), b: a}).errors}
    assert errors["b"].reason == "orphan"


def test_a_chain_deeper_than_the_limit_is_refused_where_the_limit_is_passed() -> None:
    parents = {_name(number): _name(number - 1) if number else None for number in range(MAX_DEPTH + 2)}
    lineage = lineage_of(parents)
    assert len(lineage.levels) == MAX_DEPTH
    assert {error.reason for error in lineage.errors} == {"depth"}
    assert [error.image for error in lineage.errors] == [_name(MAX_DEPTH), _name(MAX_DEPTH + 1)]


@given(
    st.dictionaries(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 30)), max_size=31),
    st.randoms(use_true_random=False),
)
def test_every_image_is_placed_or_reported_and_the_order_of_input_does_not_matter(edges, chance) -> None:  # type: ignore[no-untyped-def]
    parents = {_name(child): None if parent is None else _name(parent) for child, parent in edges.items()}
    lineage = lineage_of(parents)
    reported = {error.image for error in lineage.errors}
    assert set(lineage.levels) | reported == set(parents)
    assert not set(lineage.levels) & reported
    for image, level in lineage.levels.items():
        parent = parents[image]
        assert level == (0 if parent is None else lineage.levels[parent] + 1)
    shuffled = list(parents.items())
    chance.shuffle(shuffled)
    again = lineage_of(dict(shuffled))
    assert (again.levels, {error.image for error in again.errors}) == (lineage.levels, reported)


def _below(parent: str) -> Origin:
    return ParentReference(image=ImageName(parent), channel=LIVE)


def test_faults_are_images_that_cannot_be_looked_at() -> None:
    a, b, orphan, below = map(ImageName, ("a", "b", "orphan", "below"))
    deep = {_name(number): _name(number - 1) if number else None for number in range(18)}
    parents = {a: b, b: a, orphan: ImageName("gone"), below: orphan, **deep}
    found = {str(name): problem.reason for name, problem in faults_of(parents).items()}
    assert found == {"a": "cycle", "b": "cycle", "orphan": "orphan", "i16": "depth", "i17": "depth"}


def test_one_chain_has_the_faults_of_the_forest() -> None:
    chain = {_name(number): _name(number - 1) if number else None for number in range(20)}
    read = {_name(number): chain[_name(number)] for number in range(19, 2, -1)}  # as far as a walk goes
    problem = chain_problem(_name(19), read)
    assert problem is not None
    assert problem.reason == "depth"
    sixteen = {_name(number): chain[_name(number)] for number in range(16)}
    assert chain_problem(_name(15), sixteen) is None
    assert chain_problem(_name(1), {_name(1): _name(0)}) is not None  # its parent is not registered
    assert chain_problem(_name(2), {_name(2): _name(1), _name(1): _name(0)}) is None  # it may have a version
    assert chain_problem(ImageName("nowhere"), {}) is None


@pytest.mark.parametrize(
    ("before", "after", "done", "given_up"),
    [
        (None, _below("base"), 11, 10),  # a new image
        (_below("base"), _below("other"), 10, 10),  # a move
        (_below("base"), None, 9, 10),  # a deletion
        (None, SOURCE, 11, 10),
    ],
)
def test_the_ledger_counts_images_by_what_became_of_their_moves(
    before: Origin | None, after: Origin | None, done: int, given_up: int
) -> None:
    image = ImageName("x")
    begun = MoveLedger(number=4, count=10).begin(image, before, after, NOW)
    move = begun.find(image)
    assert move is not None
    assert (move.number, begun.number, move.parent) == (5, 5, getattr(after, "image", None))
    assert begun.find(ImageName("y")) is None
    assert begun.end(move, is_done=True) == MoveLedger(number=5, count=done)
    assert begun.end(move, is_done=False) == MoveLedger(number=5, count=given_up)
    ended = begun.end(move, is_done=True)
    assert ended.end(move, is_done=True) == ended  # once


def test_a_ledger_that_was_lost_gives_no_number_twice_and_has_no_count() -> None:
    image = ImageName("x")
    begun = NO_MOVES.begin(image, None, SOURCE, NOW, last=57)
    move = begun.find(image)
    assert move is not None
    assert move.number == 58
    assert begun.end(move, is_done=False) == MoveLedger(number=58)
