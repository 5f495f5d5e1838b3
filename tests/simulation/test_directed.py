"""Rules of the engine that random faults meet too rarely: each race is made on purpose, with its rule and without."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import lanes
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.names import GalleryName
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.services.builds.publishing import PublishingStage
from simulation import rest, sabotage, world
from simulation.faults import Killed
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.meanwhile import Meanwhile, slow_step
from tests.unit.services.scenes import BASE, JAVA

FORMER, NEWER = "former content", "newer content"


def _publishing_the_newer() -> tuple[SimulatedWorld, Build, GalleryVersion]:
    """A world whose newer version is copied and about to be let into latest, and its former version."""
    made = world.make()
    made.register("rhel9-base", None, text=FORMER)
    made.drain()
    former = made.ports.galleries.latest(LIVE, BASE)
    made.register("rhel9-base", None, text=NEWER)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.lose(made)
    made.ports.clock.advance(timedelta(minutes=5))
    assert former is not None
    assert build.version is not None
    return made, build, former


def _others(made: SimulatedWorld, build: Build) -> Callable[[], None]:
    """Another handler publishes the newer version, and the team goes back to what it had before."""

    def act() -> None:
        scenes.step(made, build)
        assert made.ports.galleries.latest(LIVE, BASE) == build.version
        made.register("rhel9-base", None, text=FORMER)
        scenes.look(made, BASE)
        assert scenes.stored(made, build.id).value.is_finished

    return act


def _watched(made: SimulatedWorld, patch: pytest.MonkeyPatch) -> list[GalleryVersion | None]:
    """What `latest` was after each change of it, from now on."""
    shown: list[GalleryVersion | None] = []
    galleries = made.ports.galleries
    inner = type(galleries).set_excluded

    def set_excluded(self: object, *given: object, **named: object) -> None:
        inner(galleries, *given, **named)  # type: ignore[arg-type]  # handed on as they are
        shown.append(galleries.latest(LIVE, BASE))

    patch.setattr(type(galleries), "set_excluded", set_excluded)
    return shown


def _is_live(gallery: GalleryName, *rest: object, **named: object) -> bool:
    return gallery == LIVE


@contextmanager
def _without(*rules: str) -> Iterator[None]:
    """A while without the check before the inclusion, or without what takes a late version back, or without both."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        if "check" in rules:
            stack.enter_context(sabotage.ALL["rule-7-active-only"].patch())
        if "take_back" in rules:
            patch.setattr(PublishingStage, "take_back", lambda *given: None)
        yield


@pytest.mark.parametrize(
    ("missing", "is_shown_again", "holds"),
    [
        ((), False, True),
        (("take_back",), False, True),
        (("check",), True, True),
        (("check", "take_back"), True, False),
    ],
    ids=["as it is", "the check alone", "repaired afterwards", "without both"],
)
def test_a_slow_handler_lets_nothing_into_latest_that_is_no_longer_meant(
    missing: tuple[str, ...], is_shown_again: bool, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, build, former = _publishing_the_newer()
    shown = _watched(made, monkeypatch)
    with _without(*missing):
        slow_step(made, build, "galleries", "find_version", _others(made, build), side="after", fits=_is_live)
    # It is let in once, by the handler that was faster; then the former version is what latest means.
    since = shown[shown.index(former) :]
    assert (build.version in since) is is_shown_again
    assert (made.ports.galleries.latest(LIVE, BASE) == former) is holds
    made.settle()  # with the look at the galleries, which finds what is left
    assert made.versions()["rhel9-base"] == str(former)
    assert made.ports.galleries.latest(LIVE, BASE) == former


@pytest.mark.parametrize(
    ("missing", "holds"), [((), True), (("take_back",), False)], ids=["as it is", "without the rule"]
)
def test_a_handler_that_is_overtaken_behind_its_check_takes_its_version_back(
    missing: tuple[str, ...], holds: bool
) -> None:
    made, build, former = _publishing_the_newer()
    with _without(*missing):
        slow_step(made, build, "galleries", "set_excluded", _others(made, build), side="before")
    assert (made.ports.galleries.latest(LIVE, BASE) == former) is holds
    made.settle()  # with the look at the galleries, which finds what is left
    assert made.versions()["rhel9-base"] == str(former)
    assert made.ports.galleries.latest(LIVE, BASE) == former


def test_a_handler_that_only_repeats_what_another_did_takes_nothing_back() -> None:
    made, build, _ = _publishing_the_newer()

    def publish() -> None:
        scenes.step(made, build)

    slow_step(made, build, "galleries", "set_excluded", publish, side="before")
    assert made.ports.galleries.latest(LIVE, BASE) == build.version
    made.settle()
    assert made.versions()["rhel9-base"] == str(build.version)
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


@pytest.mark.parametrize("error", [Killed("died"), scenes.transient()], ids=["killed", "refused"])
def test_a_version_that_could_not_be_taken_back_at_once_is_taken_back_later(error: BaseException) -> None:
    made, build, former = _publishing_the_newer()
    others = scenes.once(_others(made, build))

    class _Dying:
        """Lets the version in after the others have moved on, and fails at taking it back."""

        def __getattr__(self, name: str) -> object:
            return getattr(made.ports.galleries, name)

        def set_excluded(self, *given: Any, excluded: bool) -> None:
            if excluded:
                scenes.rewired(made)
                raise error
            scenes.rewired(made)
            others()
            scenes.rewired(made, galleries=self)
            made.ports.galleries.set_excluded(*given, excluded=excluded)

    scenes.rewired(made, galleries=_Dying())
    with suppress(Killed):
        scenes.step(made, build)
    scenes.step(made, build, redelivered=True)
    made.settle()
    assert made.versions()["rhel9-base"] == str(former)
    assert made.ports.galleries.latest(LIVE, BASE) == former


def test_a_build_that_starts_while_it_is_being_replaced_is_not_superseded() -> None:
    made = scenes.registered({"rhel9-base": None})
    scenes.look(made, BASE)
    old = scenes.active(made, BASE).value
    scenes.released(made)

    def is_build(table: str, partition: str, key: str) -> bool:
        return key == f"build:{old.id}"

    slow = Meanwhile(
        made.ports.tables, "find", made.factory.dispatcher.dispatch, side="before", fits=is_build
    )
    scenes.rewired(made, tables=slow)
    scenes.look(made, BASE)
    assert slow.came
    assert scenes.stored(made, old.id).value.phase is Phase.BUILDING
    assert scenes.active(made, BASE).value.id == old.id
    scenes.rewired(made)
    made.settle()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.SUCCEEDED, Result.SUCCEEDED]


@pytest.mark.parametrize("is_missing", [False, True])
def test_an_input_whose_release_was_gone_is_built_when_the_release_is_back(is_missing: bool) -> None:
    rule = sabotage.ALL["rule-16-blames-no-input"] if is_missing else sabotage.NOTHING
    made = world.make()
    with rule.patch():
        made.register("rhel9-base", None)
        made.drain()
        made.publish_release(scenes.NEXT_RELEASE)
        made.factory.poller.poll()
        scenes.in_phase(made, BASE, Phase.BUILDING)
        made.ports.marketplace.withdraw(world.SOURCE, MarketplaceVersion.parse(scenes.NEXT_RELEASE))
        made.run_until(made.ports.clock.now() + timedelta(minutes=40))
        made.publish_release(scenes.NEXT_RELEASE)
        made.run_until(made.ports.clock.now() + timedelta(minutes=90))
        made.settle()
        assert scenes.rest_of(made, BASE) == ("blocked" if is_missing else "current")
    assert bool(rest.violations(made)) is is_missing


@pytest.mark.parametrize("is_missing", [False, True])
def test_a_fix_reaches_a_child_within_its_bound_though_the_base_is_edited_without_end(
    is_missing: bool,
) -> None:
    """(41) Each edit comes while the one before it is built, so the base is never current."""
    made = world.make()
    made.register("rhel9-base", None)
    made.register("rhel9-java", "rhel9-base")
    made.settle()
    with (sabotage.ALL["rule-14-bounded-wait"] if is_missing else sabotage.NOTHING).patch():
        scenes.released(made)
        begun = made.ports.clock.now()
        for number in range(100):  # five hours
            made.register("rhel9-base", None, text=f"edit {number}")
            made.run_until(made.ports.clock.now() + timedelta(minutes=3))
            assert scenes.rest_of(made, BASE) != "current"
        built = [build for build in scenes.builds(made, JAVA)[1:] if build.lane is Lane.SECURITY]
        assert bool(built) is not is_missing
    if built:
        fixed = next(each for each in scenes.builds(made, BASE)[1:] if each.result is Result.SUCCEEDED)
        assert fixed.phase_since - begun < timedelta(hours=2)
        assert built[0].created_at - fixed.phase_since < lanes.PATIENCE + timedelta(minutes=30)
        # Nothing is urgent any more: the edits that came since reach it when the base rests.
        assert len(built) == 1
    made.settle()
    # No event says that the bound has passed: the sweep may find it.
    assert [each for each in rest.violations(made) if not each.startswith("(10)")] == []
