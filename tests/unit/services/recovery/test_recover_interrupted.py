"""A recovery that dies between any two calls of ports is taken up again, and nothing is built meanwhile."""

import contextlib

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.names import ImageName
from simulation.world import SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.losses import Calls, Died
from tests.unit.services.scenes import BASE, JAVA

GONE = ImageName("rhel9-gone")
BUNDLES = 12  # a share of the moments each, so that no case is long
pytestmark = pytest.mark.slow


def _lost() -> SimulatedWorld:
    """Two images that are current, one that was deleted, one that is stale; and then no records."""
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-gone": "rhel9-base"})
    gone = scenes.head(made, GONE)
    made.factory.registrar.unregister(GONE, scenes.ADMIN, str(gone.registration.definition))
    made.register("rhel9-java", "rhel9-base", text="edited")
    scenes.in_phase(made, JAVA, Phase.BUILDING)
    losses.lose_tables(made)
    return made


def _rows(made: SimulatedWorld) -> list[tuple[str, str, str]]:
    """What is there, but for journals and for versions of clocks."""
    return [
        (table, row.partition, row.key)
        for table in losses.TABLES
        for row in made.ports.tables.rows(table)
        if not row.key.startswith("entry:")
    ]


@pytest.fixture(scope="module")
def moments() -> int:
    """How many moments there are to die at."""
    made, calls = _lost(), Calls()
    losses.counted(made, calls)
    losses.recover(made)
    return calls.count


@pytest.fixture(scope="module")
def expected() -> list[tuple[str, str, str]]:
    """The rows that a recovery leaves which nothing interrupts."""
    made = _lost()
    losses.recover(made)
    return _rows(made)


def test_there_are_moments_to_die_at(moments: int) -> None:
    assert moments > 60


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("share", range(BUNDLES))
def test_whenever_it_dies_the_next_run_ends_alike(
    share: int, after: bool, moments: int, expected: list[tuple[str, str, str]]
) -> None:
    for fatal in range(1 + share, moments + 1, BUNDLES):
        made = _lost()
        losses.counted(made, Calls(fatal=fatal, after=after))
        with contextlib.suppress(Died):
            losses.recover(made)
        scenes.lose(made)
        scenes.rewired(made)
        made.factory.poller.poll()
        made.factory.sweeper.sweep()  # the factory goes on in the middle of it
        made.drain()
        if scenes.sources(made).find_platform() is None:
            assert losses.build_count(made) == 0, fatal
        assert losses.problems(losses.recover(made, force=True)) == {}
        if losses.build_count(made) == 0:
            assert _rows(made) == expected, fatal
        made.settle()
        assert {image: scenes.rest_of(made, image) for image in (BASE, JAVA)} == {
            BASE: "current",
            JAVA: "current",
        }
        assert [len(scenes.builds(made, image)) for image in (BASE, JAVA, GONE)] == [0, 1, 0], fatal
