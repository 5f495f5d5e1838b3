"""What many builds cost: waves by lineage, time by what was measured, and nothing by guess."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.domain import rollouts
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from tests.unit.domain import factories as make


def _name(number: int) -> ImageName:
    return ImageName(f"image-{number}")


def _fleet(*images: tuple[int | None, int]) -> dict[ImageName, ImageHead]:
    """Images by (number of the parent, measured seconds)."""
    found = {}
    for number, (parent, seconds) in enumerate(images):
        head = make.head(_name(number), None if parent is None else _name(parent))
        found[head.name] = replace(head, build_seconds=seconds)
    return found


# Two roots; below the first, two children, one of which has a child.
FOREST = _fleet((None, 600), (None, 60), (0, 1200), (0, 300), (2, 900))


@pytest.mark.parametrize(
    ("slots", "minutes"),
    [(8, 45), (2, 45), (1, 51)],
    ids=["the longest chain", "two slots are enough", "one after another"],
)
def test_the_time_until_the_last_build_ends_is_by_chains_and_slots(slots: int, minutes: int) -> None:
    rollout = rollouts.reckon(FOREST, FOREST, slots)
    assert (rollout.images, rollout.waves, rollout.measured) == (5, (2, 2, 1), 5)
    assert rollout.machine_time == timedelta(minutes=51)
    assert rollout.elapsed == timedelta(minutes=minutes)
    assert rollout.longest == timedelta(minutes=20)


def test_an_image_whose_parent_is_not_built_is_in_the_first_wave() -> None:
    rollout = rollouts.reckon(FOREST, {_name(2), _name(4), _name(1)}, 8)
    assert (rollout.waves, rollout.elapsed) == ((2, 1), timedelta(minutes=35))


def test_what_was_never_measured_is_left_out_and_counted() -> None:
    heads = _fleet((None, 600), (0, 0), (1, 300))
    rollout = rollouts.reckon(heads, heads, 8)
    assert (rollout.images, rollout.measured, rollout.waves) == (3, 2, (1, 1, 1))
    assert rollout.machine_time == rollout.elapsed == timedelta(minutes=15)


@pytest.mark.parametrize("heads", [{}, _fleet((None, 0), (0, 0))], ids=["nothing", "nothing measured"])
def test_without_a_measure_no_time_is_told(heads: dict[ImageName, ImageHead]) -> None:
    rollout = rollouts.reckon(heads, heads, 8)
    assert (rollout.machine_time, rollout.elapsed, rollout.longest) == (None, None, None)


def test_images_on_a_cycle_end_the_reckoning_too() -> None:
    heads = _fleet((1, 60), (0, 60), (None, 60))
    assert rollouts.reckon(heads, heads, 8).waves == (1,)


@given(
    parents=some.lists(some.integers(-1, 30), min_size=1, max_size=30),
    seconds=some.lists(some.integers(1, 5000), min_size=30, max_size=30),
    slots=some.integers(1, 5),
)
def test_a_rollout_takes_no_less_than_its_longest_chain_and_no_less_than_its_share_of_the_work(
    parents: list[int], seconds: list[int], slots: int
) -> None:
    heads = _fleet(
        *(
            (parent if 0 <= parent < number else None, seconds[number])
            for number, parent in enumerate(parents)
        )
    )
    rollout = rollouts.reckon(heads, heads, slots)
    total = sum(seconds[: len(parents)])
    assert rollout.elapsed is not None
    assert sum(rollout.waves) == len(parents)
    assert total / slots <= rollout.elapsed.total_seconds() <= total
    ends: dict[ImageName, int] = {}
    for name, head in heads.items():
        above = head.registration.parent
        ends[name] = head.build_seconds + (0 if above is None else ends[above])
    assert rollout.elapsed.total_seconds() >= max(ends.values())
    if slots >= len(parents):
        assert rollout.elapsed.total_seconds() == max(ends.values())
