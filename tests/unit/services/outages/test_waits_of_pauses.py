"""A build that waits for the end of a pause has no messages, and the end of the pause sets it going."""

from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Phase
from simulation.world import ADMIN
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.usefixtures("first_steps_by_message")
def test_a_build_that_waits_for_the_end_of_a_pause_has_no_messages(is_swept: bool) -> None:
    """A message each few minutes that Azure delivers twice now and then would become thousands within days."""
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    made.factory.pauses.pause(ADMIN, "an incident")
    made.ports.clock.advance(attempts.CREATION + timedelta(seconds=1))
    scenes.lose(made)
    scenes.step(made, build)
    assert scenes.texts(made, "build-steps") == []
    if is_swept:
        made.run_until(made.ports.clock.now() + timedelta(hours=24))
    created = made.ports.containers.created
    made.factory.pauses.resume(ADMIN, "it is over")
    assert len(scenes.texts(made, "build-steps")) == 1
    made.drain()
    assert made.ports.containers.created == created + 2  # one for each stage
    assert all(made.versions().values())
