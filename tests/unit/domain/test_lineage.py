"""The forest: every image has a place or a reason why it has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.lineage import MAX_DEPTH, lineage_of, upwards
from pipeline_core.domain.names import ImageName


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
