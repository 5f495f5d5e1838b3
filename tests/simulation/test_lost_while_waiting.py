"""A parent version is taken away while a child that is to be built from it waits half a day for its container."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.services.builds import dispatch
from simulation import rest, sabotage, world
from simulation.world import ADMIN, LIVE
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

LONG = timedelta(hours=14)  # longer than the judge of the simulation allows for a look


@pytest.mark.parametrize("is_missing", [False, True])
@pytest.mark.parametrize("is_deleted", [False, True], ids=["taken out", "deleted"])
def test_no_container_starts_from_a_version_that_is_lost_since(
    monkeypatch: pytest.MonkeyPatch, *, is_deleted: bool, is_missing: bool
) -> None:
    """(20) SecOps pause the factory, take a bad base out or away, and resume."""
    monkeypatch.setattr(dispatch, "_AT_ONCE", 0)  # the first step comes by a message, after the pause
    made, rule = world.make(), sabotage.ALL["rule-13-after-a-wait"] if is_missing else sabotage.NOTHING
    made.dozes = True
    with rule.patch():
        made.register("rhel9-base", None)
        made.register("rhel9-java", "rhel9-base")
        build = scenes.in_phase(made, JAVA, Phase.BUILDING)
        current = scenes.head(made, BASE).current
        assert current is not None
        made.factory.pauses.pause(ADMIN, "a bad base")
        if is_deleted:
            made.ports.galleries.begin_delete(LIVE, BASE, current.version)
        else:
            made.ports.galleries.set_excluded(LIVE, BASE, current.version, excluded=True)
        made.safety.take_away((str(BASE), str(current.version)))
        made.run_until(made.ports.clock.now() + LONG)
        assert scenes.stored(made, build.id).value.phase is Phase.BUILDING
        made.register("rhel9-base", None, text="newer")
        made.factory.pauses.resume(ADMIN, "it is out")
        made.settle()
    blamed = [each for each in made.safety.broken if each.startswith(f"(20) build {build.id} starts from")]
    assert bool(blamed) is is_missing
    if is_missing:
        return
    assert scenes.stored(made, build.id).value.result is Result.WITHDRAWN
    assert scenes.builds(made, JAVA)[-1].result is Result.SUCCEEDED
    assert rest.violations(made) == []
