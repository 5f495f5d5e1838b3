"""Chains: the longest one is found in any forest, in seconds that were measured where they were."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.domain import chains
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.chains import DEFAULT_SECONDS
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW


def _name(number: int) -> ImageName:
    return ImageName(f"image-{number}")


def _head(number: int, parent: int | None, seconds: int = 0) -> ImageHead:
    head = make.head(_name(number), None if parent is None else _name(parent))
    return replace(head, build_seconds=seconds)


def _fleet(*heads: ImageHead) -> dict[ImageName, ImageHead]:
    return {head.name: head for head in heads}


def _longest(name: ImageName, heads: dict[ImageName, ImageHead]) -> int:
    """By definition, at any cost."""
    below = [head for head in heads.values() if head.registration.parent == name]
    return max((chains.own(head) + _longest(head.name, heads) for head in below), default=0)


@given(
    parents=some.lists(some.integers(-1, 30), max_size=30),
    seconds=some.lists(some.integers(0, 5000), min_size=30, max_size=30),
)
def test_the_longest_chain_below_each_image_is_found(parents: list[int], seconds: list[int]) -> None:
    heads = _fleet(
        *(
            _head(number, parent if 0 <= parent < number else None, seconds[number])
            for number, parent in enumerate(parents)
        )
    )
    assert chains.reckon(heads) == {name: _longest(name, heads) for name in heads}


def test_ten_thousand_images_in_one_chain_are_reckoned_without_recursion() -> None:
    heads = _fleet(*(_head(number, number - 1 if number else None, 1) for number in range(10_000)))
    assert chains.reckon(heads)[_name(0)] == 9_999


def test_images_in_a_cycle_count_what_is_known_without_it() -> None:
    heads = _fleet(_head(0, 1, 10), _head(1, 0, 10), _head(2, 1, 30))
    assert chains.reckon(heads) == {_name(0): 0, _name(1): 30, _name(2): 0}


def test_a_parent_that_nobody_knows_is_not_an_obstacle() -> None:
    assert chains.reckon(_fleet(_head(1, 0, 10))) == {_name(1): 0}


def test_an_image_that_was_never_measured_counts_the_default() -> None:
    heads = _fleet(_head(0, None, 60), _head(1, 0))
    assert chains.reckon(heads) == {_name(0): DEFAULT_SECONDS, _name(1): 0}


@pytest.mark.parametrize(
    ("height", "chain", "seconds", "remaining"),
    [
        (0, None, 0, DEFAULT_SECONDS),
        (2, None, 0, 3 * DEFAULT_SECONDS),
        (2, None, 60, 2 * DEFAULT_SECONDS + 60),
        (2, 700, 60, 760),
        (2, 0, 60, 60),
    ],
    ids=["leaf", "by levels", "own is measured", "reckoned", "its children are gone"],
)
def test_what_remains_is_measured_or_taken_from_the_levels(
    height: int, chain: int | None, seconds: int, remaining: int
) -> None:
    head = replace(make.head(), height=height, chain_seconds=chain, build_seconds=seconds)
    assert chains.remaining(head) == remaining


@pytest.mark.parametrize(
    ("before", "minutes", "after"),
    [(0, 10, 600), (600, 10, 600), (600, 20, 780), (600, 0, 420), (0, 0, 1), (1, 0, 1)],
)
def test_a_measured_duration_is_smoothed_and_never_none(before: int, minutes: int, after: int) -> None:
    assert chains.smoothed(before, timedelta(minutes=minutes)) == after


def test_a_build_is_measured_from_its_slot_to_its_end() -> None:
    head = replace(make.head(), build_seconds=600)
    ended = make.build(Phase.FINISHED, started_at=NOW - timedelta(minutes=20), phase_since=NOW)
    assert chains.measured(head, ended) == 780
    assert chains.measured(head, replace(ended, started_at=None)) == 600


@pytest.mark.parametrize(
    ("known", "chain", "moved"),
    [
        (1000, 1000, False),
        (1000, 1200, False),
        (1000, 1201, True),
        (1000, 799, True),
        (100, 160, False),
        (100, 161, True),
    ],
)
def test_a_chain_has_moved_by_more_than_a_fifth_and_a_minute(known: int, chain: int, moved: bool) -> None:
    assert chains.has_moved(replace(make.head(), chain_seconds=known), chain) is moved


def test_a_leaf_that_nobody_has_reckoned_needs_no_write() -> None:
    assert not chains.has_moved(make.head(), 0)
