"""The forest over all shapes: who is above, who is below, and why an image has no place."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.lineage import MAX_DEPTH, Lineage, lineage_of
from pipeline_core.domain.names import ImageName

Parents = dict[ImageName, ImageName | None]


def _name(number: int) -> ImageName:
    return ImageName(f"i{number}")


def _parents(edges: dict[int, int | None]) -> Parents:
    return {_name(child): None if parent is None else _name(parent) for child, parent in edges.items()}


# Any shape at all: cycles and missing parents too. Parents above 24 are never registered.
SHAPES = st.dictionaries(st.integers(0, 24), st.one_of(st.none(), st.integers(0, 27)), max_size=25).map(
    _parents
)
# Forests without a fault, but for their depth: each parent has a lower number.
FORESTS = st.lists(st.integers(-1, 40), min_size=1, max_size=40).map(
    lambda wanted: _parents(
        {
            number: None if number == 0 or above < 0 else min(above, number - 1)
            for number, above in enumerate(wanted)
        }
    )
)


def _walk(image: ImageName, parents: Parents) -> tuple[list[ImageName], str]:
    """Upwards, one step after the other: what is passed, and how it ends."""
    passed: list[ImageName] = []
    here: ImageName | None = image
    while here is not None:
        if here in passed:
            return passed, "cycle"
        if here not in parents:
            return passed, "orphan"
        passed.append(here)
        here = parents[here]
    return passed, "root" if len(passed) <= MAX_DEPTH else "depth"


@given(SHAPES)
def test_an_image_has_a_place_or_the_reason_that_a_walk_upwards_finds(parents: Parents) -> None:
    lineage = lineage_of(parents)
    reasons = {error.image: error.reason for error in lineage.errors}
    for image in parents:
        passed, end = _walk(image, parents)
        if end == "root":
            assert lineage.ancestors(image) == tuple(passed[1:])
            assert lineage.levels[image] == len(passed) - 1
        else:
            assert reasons[image] == end


def _demand_inverse(lineage: Lineage) -> None:
    for image in lineage.levels:
        below = lineage.children.get(image, ())
        assert list(below) == sorted(other for other in lineage.levels if lineage.parents[other] == image)
        assert {lineage.levels[each] for each in below} <= {lineage.levels[image] + 1}


@given(st.one_of(SHAPES, FORESTS))
def test_the_children_of_an_image_are_those_whose_parent_it_is(parents: Parents) -> None:
    _demand_inverse(lineage_of(parents))


@given(st.one_of(SHAPES, FORESTS))
def test_the_levels_hold_every_placed_image_once(parents: Parents) -> None:
    lineage = lineage_of(parents)
    rows = lineage.by_level()
    flat = [image for row in rows for image in row]
    assert sorted(flat) == sorted(lineage.levels)
    assert len(rows) <= MAX_DEPTH
    assert all(row and list(row) == sorted(row) for row in rows)


@given(FORESTS)
def test_in_a_sound_forest_nothing_is_refused_but_for_its_depth(parents: Parents) -> None:
    assert {error.reason for error in lineage_of(parents).errors} <= {"depth"}
