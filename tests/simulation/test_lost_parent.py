"""A parent version is taken away while a child that was built from it is copied for half a day."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.versions import GalleryVersion
from simulation import rest, sabotage, world
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

LONG = timedelta(hours=14)  # of a copy: longer than the judge of the simulation allows for a look


def _take_out(made: SimulatedWorld, version: GalleryVersion) -> None:
    made.ports.galleries.set_excluded(LIVE, BASE, version, excluded=True)


def _delete(made: SimulatedWorld, version: GalleryVersion) -> None:
    made.ports.galleries.begin_delete(LIVE, BASE, version)


@pytest.mark.parametrize("is_missing", [False, True])
@pytest.mark.parametrize("is_followed", [False, True], ids=["nothing current", "a newer one"])
@pytest.mark.parametrize("take_away", [_take_out, _delete])
def test_what_was_built_from_a_version_that_is_lost_since_does_not_enter_latest(
    take_away: Callable[[SimulatedWorld, GalleryVersion], None], *, is_followed: bool, is_missing: bool
) -> None:
    """(20) The base is suspended and has nothing current since, or it has a newer version."""
    made, rule = world.make(), sabotage.ALL["rule-13-parent"] if is_missing else sabotage.NOTHING
    made.dozes = True
    with rule.patch():
        made.register("rhel9-base", None)
        made.register("rhel9-java", "rhel9-base")
        scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
        usual, made.ports.galleries.replication = made.ports.galleries.replication, LONG
        build = scenes.in_phase(made, JAVA, Phase.PUBLISHING)
        version = build.version
        assert version is not None
        scenes.until(made, lambda: made.ports.galleries.find_version(LIVE, JAVA, version) is not None)
        made.ports.galleries.replication = usual
        current = scenes.head(made, BASE).current
        assert current is not None
        made.register("rhel9-base", None, text="newer", suspend=not is_followed)
        take_away(made, current.version)
        made.safety.take_away((str(BASE), str(current.version)))
        made.run_until(made.ports.clock.now() + LONG + timedelta(hours=1))
    now = scenes.head(made, BASE).current
    assert (now is not None) is is_followed
    result = scenes.stored(made, build.id).value.result
    assert result is (Result.SUCCEEDED if is_missing else Result.WITHDRAWN)
    blamed = [each for each in made.safety.broken if each.startswith("(20) rhel9-java@")]
    assert bool(blamed) is is_missing
    made.register("rhel9-base", None, text="newer")
    made.settle()
    others = [each for each in rest.violations(made) if not each.startswith(("(20)", "(10)"))]
    assert others == []
