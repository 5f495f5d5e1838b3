"""Poison about an image or a build that cannot be read is recorded once; a build that nobody can step ends at last."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.domain.poison import PoisonState
from pipeline_core.wire.messages import RebuildMessage, StepMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.scenes import ADMIN, BASE

ONE = {"rhel9-base": None}
LOOK = RebuildMessage(image="rhel9-base").to_wire()


def _building() -> tuple[SimulatedWorld, Build]:
    made = scenes.registered(ONE)
    return made, scenes.in_phase(made, BASE, Phase.BUILDING)


def _poison(made: SimulatedWorld, build: Build, times: int) -> None:
    text = StepMessage(build=str(build.id), seq=build.seq).to_wire()
    for number in range(times):
        made.ports.clock.advance(timedelta(minutes=10))
        made.factory.poison.record(
            "build-steps", text, message_id=f"m{number}", put_at=made.ports.clock.now()
        )


def test_poison_about_an_image_whose_head_cannot_be_read_is_recorded_and_does_not_come_again() -> None:
    """Suspicion 5: it came again every 30 seconds, for ever."""
    made = scenes.settled(ONE)
    unreadable_rows.make_unreadable(made, "images", str(BASE), "head")
    made.ports.queues.send("rebuild-requests-poison", LOOK)
    before = made.deliveries
    made.drain()
    assert made.deliveries - before == 1
    (record,) = made.base.records.poison.page(after="", limit=10).records
    assert (record.state, record.announce, record.image) == (PoisonState.OPEN, False, BASE)
    assert scenes.logged(made, "image-not-marked", image=str(BASE))


def test_it_is_shown_to_people_and_closed_by_them() -> None:
    made = scenes.settled(ONE)
    unreadable_rows.make_unreadable(made, "images", str(BASE), "head")
    made.factory.poison.record("rebuild-requests", LOOK)
    (record,) = made.factory.poison_review.page(ADMIN).records
    assert made.factory.poison_review.page(scenes.principal("secops")).records == ()
    made.factory.poison_review.dismiss(record.key, ADMIN)
    assert made.base.records.poison.get(record.key).value.state is PoisonState.DISMISSED


def test_a_record_that_a_newer_release_wrote_is_not_recorded_again() -> None:
    made = scenes.settled(ONE)
    at = made.ports.clock.now()
    made.factory.poison.record("rebuild-requests", LOOK, message_id="m", put_at=at)
    (record,) = made.base.records.poison.page(after="", limit=10).records
    unreadable_rows.make_unreadable(made, "index", "poison", record.key)
    assert made.factory.poison_review.page(ADMIN).records == ()
    assert len(unreadable_rows.keys(made, "index", "poison")) == 1


def test_a_build_whose_steps_are_poisoned_again_and_again_ends_and_frees_its_slot() -> None:
    """An error that is neither permanent nor transient held the slot until a person came."""
    made, build = _building()
    _poison(made, build, 3)
    assert scenes.logged(made, "given-up", build_id=str(build.id))
    made.settle()
    ended = scenes.stored(made, build.id).value
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert (ended.failure.error_class, ended.failure.error_class.owner) == (
        ErrorClass.INTERNAL,
        Owner.PLATFORM,
    )
    assert "see the poison record" in ended.failure.message
    assert made.base.records.capacity.holders() == ()


@pytest.mark.parametrize("times", [1, 2])
def test_a_few_poisoned_steps_end_no_build(times: int) -> None:
    made, build = _building()
    _poison(made, build, times)
    made.settle()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED


def test_poison_that_a_person_dismisses_does_not_count() -> None:
    made, build = _building()
    for _ in range(2):
        _poison(made, build, 2)
        for record in made.factory.poison_review.page(ADMIN, state=PoisonState.OPEN).records:
            made.factory.poison_review.dismiss(record.key, ADMIN)
    assert not scenes.stored(made, build.id).value.is_stopping


def test_garbage_about_a_build_ends_no_build() -> None:
    made, build = _building()
    for number in range(5):
        text = '{"build":"' + str(build.id) + '"}'
        made.ports.clock.advance(timedelta(minutes=10))
        made.factory.poison.record(
            "build-steps", text, message_id=f"m{number}", put_at=made.ports.clock.now()
        )
    assert not scenes.stored(made, build.id).value.is_stopping


def test_a_build_that_has_ended_or_cannot_be_read_is_left_alone() -> None:
    made = scenes.settled(ONE)
    (ended,) = scenes.builds(made, BASE)
    _poison(made, ended, 4)
    assert scenes.stored(made, ended.id).value.result is Result.SUCCEEDED
    other, build = _building()
    unreadable_rows.make_unreadable(other, "images", str(BASE), f"build:{build.id}")
    _poison(other, build, 4)
    assert scenes.logged(other, "not-given-up", build_id=str(build.id))
