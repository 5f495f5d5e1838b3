"""What a window and a suspension hold back can begin all the same: a world is broken by hand, and it is named."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from simulation import world
from simulation.chapters.windows import Windows
from simulation.story import SeedStory
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import JAVA, find, rested, rewrite, write

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

NIGHT = "Mon-Sun 01:00-04:00 UTC"  # the world begins at nine in the morning
_EDITED = '"kind":"bundle-changed"'


def _told() -> SimulatedWorld:
    made = rested()
    story = SeedStory(world=made, chance=random.Random(1), images=2)
    made.chapters.append(Windows(story, random.Random(1)))
    return made


def _define(made: SimulatedWorld, old: str, new: str) -> None:
    rewrite(made, "images", find(made, "images", str(JAVA), "head"), old, new)


def _begin(made: SimulatedWorld, *, kind: str = _EDITED) -> list[str]:
    """Another build of the child begins, for this reason. Returns what is found."""
    row = find(made, "images", str(JAVA), "build:")
    changes: Mapping[str, str] = {
        '"kind":"never-built"': kind,
        '"phase":"finished"': '"phase":"building"',
        '"result":"succeeded"': '"result":null',
        ".1": ".2",
    }
    text = str(row.cells["value"])
    for old, new in changes.items():
        text = text.replace(old, new)
    write(made, "images", replace(row, key=f"{row.key[:-1]}2", cells={**row.cells, "value": text}))
    return [line for line in made.findings if line.startswith(("(36)", "(37)"))]


def test_an_edit_that_is_built_outside_the_window_is_named() -> None:
    made = _told()
    _define(made, '"window":null', f'"window":"{NIGHT}"')
    (line,) = _begin(made)
    assert line.endswith(f"began outside the window {NIGHT}")
    assert line.startswith("(36) rhel9-java.")


@pytest.mark.parametrize("kind", ["platform-changed", "rebuild-requested"])
def test_what_is_urgent_or_asked_for_does_not_wait_for_the_window(kind: str) -> None:
    made = _told()
    _define(made, '"window":null', f'"window":"{NIGHT}"')
    assert _begin(made, kind=f'"kind":"{kind}"') == []


def test_what_begins_inside_the_window_is_right() -> None:
    made = _told()
    _define(made, '"window":null', f'"window":"{NIGHT}"')
    made.ports.clock.advance(timedelta(hours=17))
    assert _begin(made) == []


def test_a_suspended_image_that_is_built_is_named_however_urgent_it_is() -> None:
    made = _told()
    _define(made, '"suspend":false', '"suspend":true')
    made.ports.clock.advance(world.SWEEP * 2)
    (line,) = _begin(made, kind='"kind":"platform-changed"')
    assert line.endswith("began while its image was suspended")
    assert line.startswith("(37) rhel9-java.")


def test_what_a_person_asks_for_is_built_while_its_image_is_suspended() -> None:
    made = _told()
    _define(made, '"suspend":false', '"suspend":true')
    made.ports.clock.advance(world.SWEEP * 2)
    assert _begin(made, kind='"kind":"rebuild-requested"') == []


def test_a_build_that_began_before_the_suspension_was_known_is_right() -> None:
    made = _told()
    _define(made, '"suspend":false', '"suspend":true')
    assert _begin(made) == []
