"""Each invariant of safety can fail: the world is broken at one call, and the violation is named."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.ports import (
    GalleryImageVersion,
    NewContainerGroup,
    Row,
    TaggedResource,
    VersionState,
    WriteKind,
)
from simulation import world
from simulation.platform import SimulatedContainers
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import (
    BASE,
    FIRST,
    JAVA,
    LIVE,
    QUARANTINE,
    find,
    job_of_child,
    rested,
    rewrite,
    working,
    write,
)

SECOND = replace(FIRST, sequence=2)


def _build_of(made: SimulatedWorld, image: str) -> str:
    return next(build.id for build in made.safety.builds.values() if build.image == image)


def _go_back(made: SimulatedWorld) -> None:
    rewrite(made, "images", find(made, "images", str(BASE), "head"), '"minor":6', '"minor":5')


def _publish_again(made: SimulatedWorld) -> None:
    row = find(made, "images", str(BASE), "build:")
    again = f"{_build_of(made, str(BASE))[:-1]}2"
    rewrite(made, "images", row, _build_of(made, str(BASE)), again, key=f"build:{again}")


def _build_twice_at_once(made: SimulatedWorld) -> None:
    row = find(made, "images", str(BASE), "build:")
    text = str(row.cells["value"]).replace('"phase":"finished"', '"phase":"building"')
    running = replace(row, cells={**row.cells, "value": text})
    for number in ("2", "3"):
        again = f"{_build_of(made, str(BASE))[:-1]}{number}"
        rewrite(made, "images", running, _build_of(made, str(BASE)), again, key=f"build:{again}")


def _hold_too_many_slots(made: SimulatedWorld) -> None:
    for number in range(made.safety.slots + 1):
        write(made, "capacity", Row(partition="slots", key=f"slot:{number}", cells={}))


def _run_too_many_groups(made: SimulatedWorld) -> None:
    for number in range(made.safety.slots):
        tags = {"imagefactory-build": f"rhel9-base.97a3d98113c8.{number + 5}"}
        made.ports.containers.create_group(NewContainerGroup(name=f"g{number}", environment={}, tags=tags))
    wanted = job_of_child(made)
    made.faulty.containers.create_group(
        replace(wanted, tags={"imagefactory-build": _build_of(made, str(JAVA))})
    )


def _include(made: SimulatedWorld, **changes: object) -> None:
    """Let another version of the parent into latest, with the tags of the first but for some."""
    shown = made.ports.galleries.find_version(LIVE, BASE, FIRST)
    assert shown is not None
    second = replace(shown, version=SECOND, excluded_from_latest=True, **changes)  # type: ignore[arg-type]
    made.ports.galleries.add_version(second)
    made.faulty.galleries.set_excluded(LIVE, BASE, SECOND, excluded=False)


def _include_what_nobody_built(made: SimulatedWorld) -> None:
    _include(made, tags={})


def _take_for_own(made: SimulatedWorld) -> None:
    """The parent's build says that the second version is its own."""
    row = find(made, "images", str(BASE), "build:")
    rewrite(made, "images", row, '"sequence":1},"result"', '"sequence":2},"result"')


def _include_untested(made: SimulatedWorld) -> None:
    _take_for_own(made)
    made.platform.made[str(BASE), str(SECOND)] = (_build_of(made, str(BASE)), 1)
    _include(made)


def _include_what_another_attempt_made(made: SimulatedWorld) -> None:
    _take_for_own(made)
    made.platform.proved.add((str(BASE), str(SECOND)))
    made.platform.made[str(BASE), str(SECOND)] = (_build_of(made, str(BASE)), 2)
    _include(made)


def _include_without_provenance(made: SimulatedWorld) -> None:
    _take_for_own(made)
    made.platform.proved.add((str(BASE), str(SECOND)))
    _include(made, tags={"imagefactory-build": _build_of(made, str(BASE))})


def _build_from_what_is_gone(made: SimulatedWorld) -> None:
    made.ports.galleries.begin_delete(LIVE, BASE, FIRST)
    made.faulty.containers.create_group(job_of_child(made))


def _build_from_what_was_never_published(made: SimulatedWorld) -> None:
    made.safety.published.discard((str(BASE), str(FIRST)))
    made.faulty.containers.create_group(job_of_child(made))


def _include_with_parent_gone(made: SimulatedWorld) -> None:
    made.ports.galleries.begin_delete(LIVE, BASE, FIRST)
    made.safety.published.discard((str(JAVA), str(FIRST)))
    made.faulty.galleries.set_excluded(LIVE, JAVA, FIRST, excluded=False)


def _delete_again(made: SimulatedWorld) -> None:
    made.ports.containers.deletion = timedelta(minutes=9)
    made.ports.containers.create_group(NewContainerGroup(name="if-slow", environment={}, tags={}))
    for _ in range(2):
        made.faulty.containers.delete_group("if-slow")
        made.ports.clock.advance(timedelta(seconds=30))


CASES: dict[str, tuple[Callable[[SimulatedWorld], None], str]] = {
    "a root goes back to an older release": (_go_back, r"\(2\) rhel9-base went back to .* 9\.5\.2025112113"),
    "an input is published twice": (_publish_again, r"\(2\) rhel9-base published the input .* again"),
    "an image has two active builds": (_build_twice_at_once, r"\(3\) rhel9-base has 2 active builds"),
    "a slot is held too many": (_hold_too_many_slots, r"\(4\) 3 slots are held, 2 are there"),
    "a group runs too many": (
        _run_too_many_groups,
        r"\(4\) again is one too many: groups of 3 builds, 2 may",
    ),
    "a group is deleted again": (_delete_again, r"\(11\) if-slow was deleted again after 30 s"),
    "a version of nobody is live": (
        _include_what_nobody_built,
        r"\(5\) rhel9-base@9\.20261121\.2 is live without a build of its own",
    ),
    "an untested version is live": (_include_untested, r"\(5\) rhel9-base@.* is live without its gates"),
    "a version of another attempt is live": (
        _include_what_another_attempt_made,
        r"\(5\) rhel9-base@9\.20261121\.2 was made by .* 2\), not by .* attempt 1",
    ),
    "a version is live without provenance": (
        _include_without_provenance,
        r"\(5\) rhel9-base@9\.20261121\.2 is live without provenance",
    ),
    "a build starts from a deleted parent": (
        _build_from_what_is_gone,
        r"\(6\) build rhel9-java\..* starts from rhel9-base@9\.20261121\.1, which is not in live",
    ),
    "a build starts from a parent never published": (
        _build_from_what_was_never_published,
        r"\(6\) build rhel9-java\..* starts from rhel9-base@9\.20261121\.1, which was never published",
    ),
    "a version is included without its parent": (
        _include_with_parent_gone,
        r"\(6\) rhel9-java@9\.20261121\.1 is included with rhel9-base@9\.20261121\.1, which is not in live",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_must_never_happen_is_named(name: str) -> None:
    breaks, named = CASES[name]
    made = rested(slots=2)
    breaks(made)
    assert any(re.match(named, line) for line in made.safety.broken), made.safety.broken


def _group(made: SimulatedWorld) -> TaggedResource:
    (group,) = made.ports.containers.list_groups()
    return TaggedResource(id=f"groups/{group.name}", type="groups", tags=group.tags)


@pytest.mark.parametrize("phase", ["building", "verifying"])
def test_to_remove_what_a_live_build_uses_is_named(phase: str) -> None:
    made = working(rested(), phase)
    made.faulty.resources.begin_delete(_group(made))
    (line,) = made.safety.broken
    assert re.match(rf"\(7\) groups/if-.* was removed while rhel9-base\..* is {phase}", line)


@pytest.mark.parametrize("phase", ["verifying", "publishing"])
def test_to_remove_the_version_that_a_live_build_proves_or_publishes_is_named(phase: str) -> None:
    made = working(rested(), phase)
    made.faulty.galleries.begin_delete(QUARANTINE, BASE, SECOND)
    (line,) = made.safety.broken
    assert line.startswith("(7) rhel9-base@9.20261121.2 was removed from quarantine while rhel9-base.")


def test_what_an_ended_build_left_may_be_removed() -> None:
    made = working(rested(), "building")
    group = _group(made)
    made.settle()
    made.faulty.resources.begin_delete(group)
    made.faulty.galleries.begin_delete(QUARANTINE, BASE, SECOND)
    assert made.safety.broken == []


def test_the_same_violation_is_named_once() -> None:
    made = rested(slots=2)
    _hold_too_many_slots(made)
    write(made, "capacity", Row(partition="slots", key="other", cells={}))
    assert len(made.safety.broken) == 1


def test_a_version_that_was_good_may_be_let_into_latest_again() -> None:
    made = rested()
    made.faulty.galleries.set_excluded(LIVE, BASE, FIRST, excluded=True)
    made.faulty.galleries.set_excluded(LIVE, BASE, FIRST, excluded=False)
    assert made.safety.broken == []


def test_truth_about_versions_is_the_platforms_and_not_the_factorys() -> None:
    made = rested()
    assert isinstance(made.platform, SimulatedContainers)
    shown = made.ports.galleries.find_version(LIVE, BASE, FIRST)
    assert isinstance(shown, GalleryImageVersion)
    assert shown.state is VersionState.READY
    assert (str(BASE), str(FIRST)) in made.platform.proved
    assert made.platform.made[str(BASE), str(FIRST)] == (_build_of(made, str(BASE)), 1)


def _publish_under_other_steps(made: SimulatedWorld) -> None:
    """The child becomes current again, with a higher version of platform steps that are not in force."""
    row = find(made, "images", str(JAVA), "head")
    steps = json.loads(str(row.cells["value"]))["current"]["inputs"]["platform"]["value"]
    text = str(row.cells["value"]).replace(steps, "0" * 64)
    changed = text.replace('"current":{"version":{"major":9', '"current":{"version":{"major":10')
    write(made, "images", replace(row, cells={**row.cells, "value": changed}), verb=WriteKind.REPLACE)


def test_a_version_of_platform_steps_that_were_taken_back_is_named() -> None:
    made = rested()
    rewrite(made, "images", find(made, "images", str(JAVA), "head"), '"failures":0', '"failures":1')
    _publish_under_other_steps(made)
    assert made.safety.broken == ["(21) rhel9-java has a new version of platform steps that were taken back"]


def test_a_version_of_platform_steps_that_were_taken_back_just_now_is_let_in() -> None:
    made = rested()
    rewrite(made, "images", find(made, "images", str(JAVA), "head"), '"failures":0', '"failures":1')
    world.set_platform(made, world.upload(made, "other steps"))
    world.set_platform(made, world.upload(made, "platform"))
    _publish_under_other_steps(made)
    assert made.safety.broken == []


@pytest.mark.parametrize("slow", [timedelta(minutes=40), timedelta(0)], ids=["changes", "fails"])
def test_a_parent_version_whose_marks_are_being_changed_is_still_in_its_gallery(slow: timedelta) -> None:
    made = rested()
    galleries = made.ports.galleries
    galleries.updating = slow
    if not slow:
        galleries.update_failures.append("InternalError: the region was lost")
    galleries.set_excluded(LIVE, BASE, FIRST, excluded=True)
    shown = galleries.find_version(LIVE, BASE, FIRST)
    assert shown is not None
    assert shown.state is (VersionState.UPDATING if slow else VersionState.UPDATE_FAILED)
    made.faulty.containers.create_group(job_of_child(made))
    assert [each for each in made.safety.broken if each.startswith("(6)")] == []
