"""Lost tables: a version that was taken out by hand stays out, because the recovery log names it."""

from simulation.world import LIVE
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE
from tests.unit.services.versions.test_observer import current, exclude, observe, twice_built


def test_a_version_that_was_taken_out_is_not_offered_after_a_recovery() -> None:
    made, first, second = twice_built()
    exclude(made, second)
    observe(made)
    losses.lost_and_recovered(made)
    assert scenes.head(made, BASE).taken_out == (second,)
    made.settle()
    observe(made)
    assert current(made).version == first
    assert scenes.rest_of(made, BASE) == "blocked"
    assert made.ports.galleries.latest(LIVE, BASE) == first


def test_a_version_that_is_in_latest_again_after_a_recovery_is_used() -> None:
    made, _, second = twice_built()
    exclude(made, second)
    observe(made)
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    losses.lost_and_recovered(made)
    observe(made)
    made.settle()
    assert current(made).version == second
    assert scenes.head(made, BASE).taken_out == ()
