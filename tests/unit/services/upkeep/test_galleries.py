"""The look at the galleries: slice by slice through a fleet of any size, to its end, and then from its beginning."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Galleries, GalleryImageVersion
from pipeline_core.state.galleries.observations import GalleryRound
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes

SLOW = timedelta(seconds=10)


@dataclass
class LookedAt:
    """The galleries, and the images whose versions were listed since the last look at it. A list takes `takes`."""

    inner: Galleries
    made: SimulatedWorld
    takes: timedelta = timedelta()
    names: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def list_versions(self, gallery: Any, image: ImageName) -> Sequence[GalleryImageVersion]:
        """The versions; the name is noted."""
        self.names.append(str(image))
        self.made.ports.clock.advance(self.takes)
        return self.inner.list_versions(gallery, image)


def _fleet(size: int) -> tuple[SimulatedWorld, LookedAt, list[str]]:
    """A fleet of this size, and its names in order. Its images have no version, but for the last and greatest name."""
    made = scenes.settled({"z-last": None})
    head = scenes.head(made, ImageName("z-last"))
    names = [f"image-{number:05}" for number in range(size - 1)]
    for name in map(ImageName, names):
        registration = replace(head.registration, name=name)
        scenes.index(made).project(name, replace(head, registration=registration, current=None))
    looked = LookedAt(inner=made.ports.galleries, made=made)
    scenes.rewired(made, galleries=looked)
    return made, looked, [*names, "z-last"]


def _run(made: SimulatedWorld, looked: LookedAt) -> list[str]:
    """The images that one run of the timer looks at."""
    looked.names.clear()
    made.factory.galleries.observe()
    return list(looked.names)


def _rounds(made: SimulatedWorld, looked: LookedAt, runs: int) -> list[list[str]]:
    return [_run(made, looked) for _ in range(runs)]


@pytest.mark.parametrize(
    ("size", "slices"),
    [
        (1, [1, 1, 1]),
        (50, [50, 50, 50]),
        (120, [120, 50, 50, 20, 50, 50, 20]),  # the size is known after the first round
        (1100, [1000, 100, *[123] * 8, 116, 123]),  # a ninth of the fleet each, so nine runs a round
    ],
)
def test_a_fleet_of_any_size_is_looked_at_to_its_end_and_then_anew(size: int, slices: list[int]) -> None:
    made, looked, names = _fleet(size)
    seen = _rounds(made, looked, len(slices))
    assert [len(each) for each in seen] == slices
    flat = [name for each in seen for name in each]
    wanted = names * (len(flat) // size + 1)
    assert flat == wanted[: len(flat)]


def test_a_version_without_a_proof_at_the_end_of_the_names_is_found_within_a_round() -> None:
    made, looked, names = _fleet(120)
    _run(made, looked)
    name = ImageName(names[-1])
    version = scenes.head(made, name).current
    assert version is not None
    known = made.ports.galleries.find_version(LIVE, name, version.version)
    assert known is not None
    # Another one's version, above the factory's own.
    stranger = replace(
        known, version=replace(version.version, sequence=version.version.sequence + 7), tags={}
    )
    made.ports.galleries.add_version(stranger)
    found = []
    for _ in range(3):
        _run(made, looked)
        found.append(Event.UNPROVEN in scenes.events(made, name))
    assert found == [False, False, True]


def test_a_run_that_takes_too_long_ends_and_the_next_goes_on_behind_it() -> None:
    made, looked, names = _fleet(60)
    looked.takes = SLOW  # four minutes are 24 lists
    assert _rounds(made, looked, 3) == [names[:24], names[24:48], names[48:]]
    assert made.base.records.observations.find_round().value == GalleryRound(size=60)
