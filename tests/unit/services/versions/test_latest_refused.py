"""Azure refuses a change of `latest` that no build asks for: no message is at fault, and it is tried until it works."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, LatestRefused, PermanentError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.wire.messages import PARENT_PUBLISHED
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE
from tests.unit.services.versions.test_observer import current, exclude, observe, twice_built

HOUR = timedelta(hours=1)
LATER = timedelta(minutes=5)


class _Refusal:
    """Refuses every change of a mark while it is on."""

    is_on = True


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> _Refusal:
    switch, change = _Refusal(), MemoryGalleries.set_excluded
    switch.is_on = False

    def set_excluded(galleries: MemoryGalleries, *given: object, excluded: bool) -> None:
        if switch.is_on:
            raise PermanentError(ErrorClass.AZURE_POLICY, "403 PolicyViolation; exempt the groups")
        change(galleries, *given, excluded=excluded)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(MemoryGalleries, "set_excluded", set_excluded)
    return switch


def _open(made: SimulatedWorld) -> list[PlatformBreaker]:
    return list(made.factory.retries.list())


def _alerts(made: SimulatedWorld, *images: ImageName) -> int:
    return sum(scenes.events(made, each).count(Event.PLATFORM_BREAKER_OPENED) for each in images)


def _reverted(refusal: _Refusal) -> tuple[SimulatedWorld, GalleryVersion]:
    """The definition of before is registered again while nothing may be changed: its version is to be current."""
    made, first, _ = twice_built()
    refusal.is_on = True
    made.register("rhel9-base", None)
    return made, first


def test_a_refused_reuse_ends_its_message_and_the_sweep_tries_it_until_it_works(refusal: _Refusal) -> None:
    made, first = _reverted(refusal)
    scenes.look(made, BASE, PARENT_PUBLISHED)  # no error: the message is done
    made.run_until(made.ports.clock.now() + 6 * HOUR)
    assert made.host.poisoned == []
    assert current(made).version != first
    refusal.is_on = False
    made.settle()
    assert current(made).version == first
    assert made.ports.galleries.latest(LIVE, BASE) == first
    assert _open(made) == []
    assert len(scenes.builds(made, BASE)) == 2


def test_refusals_in_a_row_open_a_breaker_that_the_image_shows_with_the_remedy(refusal: _Refusal) -> None:
    made, _ = _reverted(refusal)
    made.run_until(made.ports.clock.now() + 6 * HOUR)
    (opened,) = _open(made)
    assert (opened.error_class, opened.is_of_latest, opened.holds_all) == (
        ErrorClass.AZURE_POLICY,
        True,
        False,
    )
    shown = made.factory.queries.image(BASE).image.conditions
    (fault,) = [each for each in shown if each.type is ConditionType.PLATFORM_FAULT]
    assert fault.since == opened.opened_at
    assert "exempt the groups; `latest` of its images is tried again" in fault.message
    assert _alerts(made, BASE) == 1


def test_a_refused_fall_is_visible_and_follows_when_it_is_accepted(refusal: _Refusal) -> None:
    made, first, second = twice_built()
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    stranger = replace(live, version=GalleryVersion.parse("9999.1.1"), tags={})
    made.ports.galleries.add_version(stranger)  # it is to leave `latest` before the pointer falls below it
    exclude(made, second)
    refusal.is_on = True
    for _ in range(4):
        observe(made)
        made.ports.clock.advance(LATER)
    assert current(made).version == second
    assert ConditionType.PLATFORM_FAULT in {
        each.type for each in made.factory.queries.image(BASE).image.conditions
    }
    refusal.is_on = False
    observe(made)
    assert current(made).version == first
    assert made.ports.galleries.latest(LIVE, BASE) == first
    assert _open(made) == []


def test_many_images_give_one_alert(refusal: _Refusal) -> None:
    names = [ImageName(f"root-{letter}") for letter in "abc"]
    made = scenes.settled({str(name): None for name in names})
    for name in names:
        made.register(str(name), None, text="second")
    made.settle()
    refusal.is_on = True
    for name in names:
        made.register(str(name), None)
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    assert all(scenes.logged(made, "latest-refused", image=str(name)) for name in names)
    (opened,) = _open(made)
    assert opened.is_wide
    assert _alerts(made, *names) == 1
    refusal.is_on = False
    made.settle()
    assert _open(made) == []
    assert [len(scenes.builds(made, name)) for name in names] == [2, 2, 2]


def test_an_ended_build_that_may_not_take_its_version_back_is_asked_again(refusal: _Refusal) -> None:
    made, _, second = twice_built()
    build: Build = scenes.builds(made, BASE)[-1]
    made.register("rhel9-base", None)
    made.settle()
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    refusal.is_on = True
    assert build.result is Result.SUCCEEDED
    with pytest.raises(LatestRefused) as refused:
        made.parts.versions.turns.take_back(build)
    assert refused.value.error_class is ErrorClass.AZURE_POLICY
    assert refused.value.retry_after is not None
    assert refused.value.retry_after >= timedelta(minutes=1)
    refusal.is_on = False
    made.parts.versions.turns.take_back(build)
    assert made.ports.galleries.latest(LIVE, BASE) == current(made).version


def test_an_unproven_version_that_may_not_be_taken_out_is_alarmed_and_tried_again(refusal: _Refusal) -> None:
    made, _, second = twice_built()
    live = made.ports.galleries.find_version(LIVE, BASE, second)
    assert live is not None
    bare = replace(live, version=GalleryVersion.parse("9999.1.1"), tags={})
    made.ports.galleries.add_version(bare)
    alarm = replace(made.parts.provenance.unproven, excludes=True)
    refusal.is_on = True
    with pytest.raises(LatestRefused):
        alarm.check(bare, second)
    assert Event.UNPROVEN in scenes.events(made, BASE)
    refusal.is_on = False
    assert not alarm.check(bare, second)
    assert made.ports.galleries.latest(LIVE, BASE) == second


def test_a_person_who_includes_a_version_is_answered_while_the_gallery_refuses(refusal: _Refusal) -> None:
    made, _, second = twice_built()
    exclude(made, second)
    observe(made)
    made.register("rhel9-base", None, text="third")
    made.settle()
    refusal.is_on = True
    assert made.factory.readmission.include(BASE, second, ADMIN, "it was good").version == second
    assert scenes.logged(made, "latest-refused", image="rhel9-base")
