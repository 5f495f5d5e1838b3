"""What a window and a suspension hold back can begin all the same: a world is broken by hand, and it is named."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from simulation import sabotage, world
from simulation.chapters.windows import Windows
from simulation.story import SeedStory
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, JAVA, LIVE, NEXT_RELEASE, find, rested, rewrite, told, write

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


def _edited(made: SimulatedWorld, *texts: str) -> None:
    """The base is edited to each of these contents, and built before the next edit."""
    for text in texts:
        made.register(str(BASE), None, text=text)
        made.settle()


def _held_at_the_first() -> SimulatedWorld:
    """The base has two more versions, and the window of its child is closed."""
    made, _ = told(Windows, seed=1)
    made.ports.clock.set(made.ports.clock.now().replace(hour=9) + timedelta(days=1))
    made.register(str(JAVA), str(BASE), window=NIGHT)
    _edited(made, "second", "third")
    assert _builds_of_child(made) == 1
    return made


def _builds_of_child(made: SimulatedWorld) -> int:
    return sum(build.image == str(JAVA) for build in made.safety.builds.values())


def test_a_child_may_leave_a_version_of_which_people_took_out_a_later_one() -> None:
    """What the older version brought when it was built says nothing about why it is used again."""
    made = _held_at_the_first()
    bad = made.ports.galleries.latest(LIVE, BASE)
    assert bad is not None
    made.safety.take_away((str(BASE), str(bad)))
    made.ports.galleries.set_excluded(LIVE, BASE, bad, excluded=True)
    made.settle()
    assert _builds_of_child(made) == 2
    assert made.findings == []


@pytest.mark.parametrize("rule", ["", "window-is-kept"])
def test_a_version_that_is_used_again_for_an_edit_waits_for_the_window(rule: str) -> None:
    made = _held_at_the_first()
    with sabotage.ALL.get(rule, sabotage.NOTHING).patch():
        _edited(made, "second")
    assert _builds_of_child(made) == (2 if rule else 1)
    assert [line[:4] for line in made.findings] == ["(36)"] * bool(rule)


def test_an_edit_that_is_taken_back_does_not_bring_the_release_again_that_was_built_before_it() -> None:
    made, _ = told(Windows, seed=1)
    made.publish_release(NEXT_RELEASE)
    made.run_until(made.ports.clock.now() + world.POLL)
    made.settle()
    _edited(made, "second")
    made.register(str(BASE), None)  # as it was with the release
    made.register(str(JAVA), str(BASE), text="second")
    made.settle()
    newest = [build for build in made.safety.builds.values() if build.image == str(JAVA)][-1]
    assert newest.parent is not None
    assert newest.parent[1] < max(version for image, version in made.safety.published if image == str(BASE))
    assert made.findings == []
