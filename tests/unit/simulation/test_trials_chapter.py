"""The chapter `trials` can fail: the world is broken behind the services' backs, and the violation is named."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Row
from simulation import fleet, rest, world
from simulation.chapters.inputs.trials import PlatformTrials
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.simulation import broken
from tests.unit.simulation.broken import BASE, JAVA, find, rewrite, write

pytestmark = pytest.mark.slow  # whole runs of the simulated factory
ON_TRIAL = fleet.bundle("trial")[0]


def _tried(
    *images: ImageName, promoted: bool = False, ended: bool = False
) -> tuple[SimulatedWorld, PlatformTrials]:
    """A trial on these images has come to rest, and perhaps to its end."""
    made, chapter = broken.told(PlatformTrials, seed=7)
    digest = world.upload(made, "trial")
    made.factory.platforms.put(digest, fleet.catalog({}), ADMIN, canaries=images)
    made.settle()
    if promoted:
        made.factory.platforms.promote(digest, ADMIN)
    if ended:
        made.factory.platforms.end_trial(digest, ADMIN)
    made.settle()
    assert (chapter.violations(), made.findings, rest.violations(made)) == ([], [], [])
    return made, chapter


def _planned_again(made: SimulatedWorld, image: ImageName, old: str, new: str) -> None:
    """Another build of the image is planned, whose row has another text."""
    rows = [
        row
        for row in made.ports.tables.rows("images")
        if row.partition == str(image) and row.key.startswith("build:")
    ]
    row = next(each for each in rows if old in str(each.cells["value"]))
    build = row.key.removeprefix("build:")
    text = str(row.cells["value"]).replace(old, new).replace(build, f"{build[:-1]}9")
    write(made, "images", Row(partition=row.partition, key=f"{row.key[:-1]}9", cells={"value": text}))


def _plans_with_the_steps(made: SimulatedWorld) -> None:
    platform = made.base.records.sources.find_platform()
    assert platform is not None
    _planned_again(made, BASE, str(platform.digest), str(ON_TRIAL))


def _keeps_the_steps(made: SimulatedWorld) -> None:
    platform = made.base.records.sources.find_platform()
    assert platform is not None
    row = find(made, "images", str(JAVA), "head")
    rewrite(made, "images", row, str(platform.digest), str(ON_TRIAL))


CASES: dict[str, tuple[tuple[ImageName, ...], bool, Callable[[SimulatedWorld], None], str]] = {
    "planned with the steps of another's trial": (
        (JAVA,),
        False,
        _plans_with_the_steps,
        r"\(50\) rhel9-base\.\S+ is planned with platform steps that are not in force, nor on trial on it",
    ),
    "it keeps them after the end": (
        (JAVA,),
        True,
        _keeps_the_steps,
        r"\(50\) rhel9-java@\S+ has platform steps whose trial has ended",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_steps_of_a_trial_where_they_do_not_belong_are_named(name: str) -> None:
    images, ended, breaks, named = CASES[name]
    made, chapter = _tried(*images, ended=ended)
    breaks(made)
    found = [*made.findings, *chapter.violations()]
    assert any(re.fullmatch(named, line) for line in found), found


def test_a_plan_on_a_version_with_steps_on_trial_is_named() -> None:
    made, _ = _tried(BASE, JAVA)
    platform = made.base.records.sources.find_platform()
    assert platform is not None
    assert platform.trial is not None
    made.base.records.sources.save_platform(
        replace(platform, trial=replace(platform.trial, images=(BASE,))), over=platform
    )
    made.ports.clock.advance(world.POLL * 10)
    _planned_again(made, JAVA, str(ON_TRIAL), str(platform.digest))
    assert any(
        re.fullmatch(
            r"\(50\) rhel9-java\.\S+ is planned on a version of rhel9-base that has platform steps on trial",
            line,
        )
        for line in made.findings
    ), made.findings


def test_what_was_promoted_may_be_used_by_all() -> None:
    made, _ = _tried(BASE, JAVA, promoted=True)
    made.publish_release(broken.NEXT_RELEASE)
    made.factory.poller.poll()
    made.settle()
    assert made.findings == []


def test_secops_end_a_trial_where_an_image_waits_below_a_canary() -> None:
    made, chapter = _tried(BASE, JAVA)
    assert chapter.people_look() == 0
    made.register("late", str(JAVA))
    made.settle()
    assert chapter.people_look() == 1
    made.settle()
    assert rest.violations(made) == []
