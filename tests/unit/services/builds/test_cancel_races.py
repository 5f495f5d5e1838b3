"""Cancel against everybody else: the first writer wins, and a late one leaves nothing behind."""

import json
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.journal import Event
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes, stops
from tests.unit.services.scenes import BASE


def test_a_pending_build_that_could_not_be_ended_at_once_is_ended_by_its_step_without_a_slot() -> None:
    made = stops.pending()
    build = scenes.active(made, BASE).value

    def refuse() -> None:
        raise scenes.transient()

    stops.before_write(made, _ends, refuse)
    assert stops.cancel(made, build).phase is Phase.PENDING
    scenes.lose(made)
    scenes.step(made, build)
    assert scenes.stored(made, build.id).value.result is Result.CANCELLED
    assert Event.STARTED not in scenes.events(made, BASE)


@pytest.mark.slow
@pytest.mark.parametrize("stage", stops.STAGES)
def test_a_process_that_dies_between_any_two_calls_leaves_nothing_behind_either(stage: str) -> None:
    for call in range(1, 200):
        made = stops.STAGES[stage]()
        build = scenes.active(made, BASE).value
        death = _Death(made, build, at=call)
        stops.rewired(made, **death.ports())
        for _ in range(2):  # the caller had no answer, and asks again
            try:
                stops.cancel(made, build)
                break
            except _Died:
                continue
        for _ in range(2):
            try:
                made.drain()
                break
            except _Died:
                continue
        stops.demand_cancelled(made, build)
        if not death.came:
            assert call > 5
            return
    pytest.fail("cancelling never came to its end without a death")


def test_an_end_that_is_written_first_wins() -> None:
    made = stops.included()
    build = scenes.active(made, BASE).value
    end = made.parts.builds.completion.end
    stops.before_write(made, _asks_to_cancel, lambda: end(scenes.stored(made, build.id), Result.SUCCEEDED))
    with pytest.raises(PermanentError, match="ended as succeeded"):
        stops.cancel(made, build)
    stops.rewired(made)
    made.drain()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert made.ports.galleries.latest(LIVE, BASE) == build.version
    assert Event.CANCEL_REQUESTED not in scenes.events(made, BASE)


def test_a_cancellation_that_is_written_first_wins_and_takes_the_version_back() -> None:
    made = stops.included()
    build = scenes.active(made, BASE).value
    scenes.lose(made)
    stops.before_write(made, _ends, lambda: stops.cancel(made, build))
    scenes.step(made, build)
    stops.rewired(made)
    assert scenes.stored(made, build.id).value.cancel is not None
    made.drain()
    stops.demand_cancelled(made, build)
    assert Event.PUBLISHED not in scenes.events(made, BASE)


@pytest.mark.usefixtures("first_steps_by_message")
@pytest.mark.parametrize("moment", ["asked", "ended"])
def test_a_pending_build_that_gets_its_slot_at_that_moment_is_cancelled_all_the_same(moment: str) -> None:
    made = stops.pending()
    build = scenes.active(made, BASE).value
    stops.before_write(
        made, {"asked": _asks_to_cancel, "ended": _ends}[moment], made.factory.dispatcher.dispatch
    )
    stops.cancel(made, build)
    stops.rewired(made)
    made.drain()
    stops.demand_cancelled(made, build)
    assert made.ports.containers.created == 0


@pytest.mark.usefixtures("first_steps_by_message")
@pytest.mark.parametrize(("port", "method"), [("blobs", "create"), ("containers", "create_group")])
def test_a_handler_that_creates_the_group_at_that_moment_leaves_none(port: str, method: str) -> None:
    made = stops.before_its_group()
    build = scenes.active(made, BASE).value
    scenes.lose(made)

    def overtake() -> None:
        stops.cancel(made, build)
        scenes.step(made, build)

    stops.slow_step(made, build, port, method, overtake)
    made.drain()
    stops.demand_cancelled(made, build)


@pytest.mark.parametrize("deletion", [timedelta(0), timedelta(minutes=5)])
@pytest.mark.parametrize("looks", [0, 1, 2])
def test_a_handler_that_begins_the_copy_at_that_moment_leaves_none(looks: int, deletion: timedelta) -> None:
    made = stops.copying()
    build = scenes.active(made, BASE).value
    assert build.version is not None
    made.ports.galleries.deletion = timedelta(0)
    made.ports.galleries.begin_delete(LIVE, BASE, build.version)  # as if the copy had not been begun
    made.ports.galleries.deletion = deletion
    scenes.lose(made)

    def overtake() -> None:
        stops.cancel(made, build)
        for _ in range(looks):
            scenes.step(made, build)

    stops.slow_step(made, build, "galleries", "begin_copy", overtake)
    made.drain()
    stops.demand_cancelled(made, build)


def test_a_handler_whose_row_was_read_too_early_deletes_nothing_that_was_published() -> None:
    made = stops.copying()
    build = scenes.active(made, BASE).value
    made.ports.clock.advance(timedelta(hours=3))
    scenes.lose(made)
    stops.slow_step(made, build, "galleries", "find_version", lambda: scenes.step(made, build))
    made.drain()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


def _asks_to_cancel(text: str) -> bool:
    row = json.loads(text)
    return row["cancel"] is not None and row["result"] is None


def _ends(text: str) -> bool:
    return json.loads(text)["result"] is not None


class _Died(Exception):
    """No error of the program: its process is gone."""


class _Death:
    """Ports of a process that dies at the call number `at`, if the build has not reported its end by then."""

    def __init__(self, made: SimulatedWorld, build: Build, *, at: int) -> None:
        self._made, self._build, self._left = made, build, at
        self.came = False

    def ports(self) -> dict[str, Any]:
        """Every port that a cancellation touches."""
        names = ("tables", "queues", "blobs", "containers", "galleries")
        return {name: _Mortal(getattr(self._made.ports, name), self) for name in names}

    def pass_by(self) -> None:
        """One call."""
        if self.came or scenes.is_announced(self._made, self._build.id):
            return
        self._left -= 1
        if not self._left:
            self.came = True
            raise _Died


class _Mortal:
    def __init__(self, inner: object, death: _Death) -> None:
        self._inner, self._death = inner, death

    def __getattr__(self, name: str) -> Any:
        self._death.pass_by()
        return getattr(self._inner, name)
