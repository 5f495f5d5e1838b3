"""Container groups are asked to be deleted once, within the budget that all share, and then only looked at."""

from datetime import timedelta

import pytest

from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.settings import Limits
from pipeline_core.wiring.foundation import foundation_of
from simulation.faults import Killed
from simulation.world import SimulatedWorld
from tests.unit.services import scenes, stops
from tests.unit.services.scenes import BASE, WAIT

ONE = {"rhel9-base": None}
FLEET = {f"image-{number}": None for number in range(6)}


def _now(made: SimulatedWorld, build: Build) -> Build:
    return scenes.stored(made, build.id).value


def _limited(made: SimulatedWorld, *, deletes: int) -> SimulatedWorld:
    """The same world where the factory may delete so many groups in five minutes."""
    limits = Limits(
        slots=8,
        creates_per_hour=10_000,
        team_slots=8,
        wait=WAIT,
        deletes_per_hour=100,
        deletes_per_burst=deletes,
    )
    made.rewire(foundation_of(made.ports, scenes.deployment_of(made), limits))
    return made


def _reported(phase: Phase = Phase.BUILDING) -> tuple[SimulatedWorld, Build]:
    """A build whose container has reported, and whose group takes a minute to go."""
    made = scenes.registered(ONE, failing={("rhel9-base", "build"): "provisioner"})
    build = scenes.in_phase(made, BASE, phase)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()
    made.ports.containers.deletion = timedelta(minutes=1)
    made.ports.clock.advance(timedelta(minutes=11))
    made.platform.advance()
    scenes.lose(made)
    return made, build


def _asked(made: SimulatedWorld, build: Build) -> int:
    return len(made.ports.containers.asked.get(attempts.group_of(build), []))


def test_a_group_that_is_being_deleted_is_only_looked_at() -> None:
    made, build = _reported()
    for _ in range(12):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(seconds=5))
    assert _asked(made, build) == 1
    scenes.step(made, build)
    assert _now(made, build).result is Result.FAILED


def test_a_cancelled_build_asks_once_too() -> None:
    made = stops.building()
    build = scenes.active(made, BASE).value
    made.ports.containers.deletion = timedelta(minutes=4)
    stops.cancel(made, build)
    made.drain()
    stops.demand_cancelled(made, build)
    assert _asked(made, build) == 1


def test_a_group_that_does_not_go_is_asked_for_again_after_minutes() -> None:
    made, build = _reported()
    made.ports.containers.deletion = timedelta(days=1)
    for _ in range(60):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(minutes=1))
    first, *others = made.ports.containers.asked[attempts.group_of(build)]
    assert [at - first for at in others] == [
        timedelta(minutes=6),
        timedelta(minutes=17),
        timedelta(minutes=38),
    ]


@pytest.mark.parametrize("is_written", [True, False], ids=["written", "not written"])
def test_a_note_whose_answer_was_lost_delays_no_deletion(is_written: bool) -> None:
    made, build = _reported()
    blobs = made.ports.blobs

    class _Unanswered:
        """The first note gets no answer, and may have been written all the same."""

        lost = 0

        def __getattr__(self, name: str) -> object:
            return getattr(blobs, name)

        def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
            if attempts.DELETION not in name or self.lost:
                blobs.create(container, name, content, media_type=media_type)
                return
            self.lost += 1
            if is_written:
                blobs.create(container, name, content, media_type=media_type)
            raise scenes.transient()

    scenes.rewired(made, blobs=_Unanswered())
    scenes.step(made, build)
    assert _asked(made, build) == is_written  # where nothing was written, the next look asks
    made.drain()
    assert _asked(made, build) == 1
    assert _now(made, build).result is Result.FAILED


def test_a_deletion_that_takes_long_is_looked_at_less_and_less_often() -> None:
    made, build = _reported()
    made.ports.containers.deletion = timedelta(minutes=20)
    scenes.step(made, build)
    made.run_until(made.ports.clock.now() + timedelta(minutes=2))
    before = made.deliveries
    made.run_until(made.ports.clock.now() + timedelta(minutes=16))
    assert not _now(made, build).is_finished
    assert made.deliveries - before < 16  # every half minute would be more than 32


def test_two_handlers_of_one_moment_ask_once() -> None:
    made, build = _reported()
    blobs = made.ports.blobs
    other = made.factory.driver

    class _Overtaken:
        """Another handler takes a whole step between the look at the notes and the first note."""

        def __getattr__(self, name: str) -> object:
            return getattr(blobs, name)

        def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
            if attempts.DELETION in name and not blobs.find_facts(container, name):
                other.look(scenes.stored(made, build.id), once=True)
            blobs.create(container, name, content, media_type=media_type)

    scenes.rewired(made, blobs=_Overtaken())
    scenes.step(made, build)
    assert _asked(made, build) == 1


def test_a_deletion_that_waits_for_the_budget_keeps_the_slot_writes_nothing_and_says_so() -> None:
    made, build = _reported()
    _limited(made, deletes=1)
    capacity = made.base.records.capacity
    assert capacity.buy_deletion(made.ports.clock.now()) is None  # another build's
    rows = made.ports.tables.rows("images"), made.ports.tables.rows("capacity")
    scenes.step(made, build)
    assert _asked(made, build) == 0
    assert scenes.logged(made, "deletion-waits", build_id=str(build.id), subject=attempts.group_of(build))
    assert (made.ports.tables.rows("images"), made.ports.tables.rows("capacity")) == rows
    assert scenes.capacity(made).holds(build.id)
    (message,) = made.ports.queues.messages("build-steps")
    assert message.visible_at - made.ports.clock.now() >= timedelta(minutes=4)
    made.drain()
    assert _now(made, build).result is Result.FAILED
    assert _asked(made, build) == 1


def _built(made: SimulatedWorld) -> Build:
    """A build whose container has reported the version that it made. Nothing is on its way."""
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()
    made.ports.clock.advance(timedelta(minutes=11))
    made.platform.advance()
    scenes.lose(made)
    return build


def test_the_group_that_built_is_deleted_when_the_next_one_is_paid_for() -> None:
    made = scenes.registered(ONE)
    build = _built(made)
    made.ports.containers.deletion = timedelta(minutes=1)
    scenes.step(made, build)
    now = _now(made, build)
    assert now.phase is Phase.VERIFYING
    assert _asked(made, build) == 1
    assert {group.name for group in made.ports.containers.list_groups()} == {
        attempts.group_of(build),
        attempts.group_of(now),
    }


@pytest.mark.parametrize("budget", ["used up", "left"])
def test_a_group_that_built_goes_with_the_next_one_where_its_deletion_had_to_wait(budget: str) -> None:
    """The verify stage waits for no deletion. Its end removes both groups, and holds the slot until they are gone."""
    made = scenes.registered(ONE)
    build = _built(made)
    _limited(made, deletes=1)
    if budget == "used up":
        assert made.base.records.capacity.buy_deletion(made.ports.clock.now()) is None  # another build's
    scenes.step(made, build)
    assert _asked(made, build) == (budget == "left")
    assert made.ports.containers.created == 2
    made.drain()
    assert _now(made, build).result is Result.SUCCEEDED
    assert made.ports.containers.list_groups() == []
    assert _asked(made, build) == 1


def test_a_handler_that_dies_between_the_stages_leaves_the_deletion_to_the_next_one() -> None:
    made = scenes.registered(ONE)
    build = _built(made)
    scenes.rewired(made, containers=_Dying(made.ports.containers))
    with pytest.raises(Killed):
        scenes.step(made, build)
    assert _now(made, build).phase is Phase.VERIFYING
    assert _asked(made, build) == 0
    scenes.rewired(made, containers=made.ports.containers)
    scenes.step(made, _now(made, build))
    assert _asked(made, build) == 1
    assert made.ports.containers.created == 2


class _Dying:
    """Container groups whose first look at a second group ends the process."""

    def __init__(self, inner: MemoryContainers) -> None:
        self._inner, self._seen = inner, set[str]()

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def find_group(self, name: str) -> object:
        self._seen.add(name)
        if len(self._seen) > 1:
            raise Killed
        return self._inner.find_group(name)


def test_a_stopping_build_waits_for_the_same_budget() -> None:
    made = _limited(stops.building(), deletes=1)
    build = scenes.active(made, BASE).value
    assert made.base.records.capacity.buy_deletion(made.ports.clock.now()) is None
    stops.cancel(made, build)
    began = made.ports.clock.now()
    made.drain()
    stops.demand_cancelled(made, build)
    assert made.ports.clock.now() - began >= timedelta(minutes=5)


def test_no_five_minutes_have_more_deletions_than_the_region_allows() -> None:
    made = _limited(scenes.registered(FLEET), deletes=2)
    made.ports.containers.deletes_per_burst = 2
    made.drain()
    assert all(made.versions().values())
    assert made.ports.containers.refused == 0
    assert sum(len(moments) for moments in made.ports.containers.asked.values()) == 12


def test_a_refusal_pauses_every_deletion_for_as_long_as_azure_says() -> None:
    made, build = _reported()
    error = TransientError(ErrorClass.THROTTLED, "too many deletions", retry_after=timedelta(minutes=9))
    containers = scenes.Failing(inner=made.ports.containers, name="delete_group", errors=[error])
    scenes.rewired(made, containers=containers)
    scenes.step(made, build)
    assert made.base.records.capacity.buy_deletion(made.ports.clock.now()) == timedelta(minutes=9)
    made.drain()
    assert _now(made, build).result is Result.FAILED
    assert _asked(made, build) == 1


def test_a_group_that_may_not_be_deleted_keeps_its_build_until_it_may() -> None:
    made, build = _reported()
    error = PermanentError(ErrorClass.PERMISSION, "the identity may not delete groups")
    containers = scenes.Failing(inner=made.ports.containers, name="delete_group", errors=[error] * 2)
    scenes.rewired(made, containers=containers)
    scenes.step(made, build)
    assert not _now(made, build).is_finished
    assert scenes.capacity(made).holds(build.id)
    assert scenes.logged(made, "deletion-refused", build_id=str(build.id), error=str(error))
    made.drain()
    after = _now(made, build)
    assert (after.result, after.failure and after.failure.error_class) == (
        Result.FAILED,
        ErrorClass.PROVISIONER,
    )


@pytest.mark.parametrize("deletes", [1, 2])
def test_the_verify_stage_begins_although_the_deletion_of_the_build_stages_group_waits(deletes: int) -> None:
    made = _limited(scenes.registered(ONE), deletes=deletes)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()
    made.ports.clock.advance(timedelta(minutes=11))
    made.platform.advance()
    assert made.base.records.capacity.buy_deletion(made.ports.clock.now()) is None
    scenes.step(made, build)
    assert _now(made, build).phase is Phase.VERIFYING
    assert (attempts.group_of(build) in made.ports.containers.names()) is (deletes == 1)
    made.drain()
    assert _now(made, build).result is Result.SUCCEEDED
    assert made.ports.containers.names() == []
