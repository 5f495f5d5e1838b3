"""A change of the current version without a build is announced in its own row: a death costs one sweep."""

import pytest

from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.state.images import ImageStore
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def _gone_back(made: SimulatedWorld) -> None:
    """The base is edited and edited back, and nothing is handled yet after that."""
    made.register("rhel9-base", None, text="second")
    made.settle()
    made.register("rhel9-base", None, text="content")
    scenes.lose(made)


def _dying(made: SimulatedWorld) -> None:
    """The process dies before the first message after the commit."""
    died = scenes.Failing(
        inner=made.ports.queues, name="send", errors=[TransientError(ErrorClass.NETWORK, "the process died")]
    )
    scenes.rewired(made, queues=died)


def test_a_reuse_whose_sender_died_reaches_the_children_within_one_sweep() -> None:
    made = scenes.settled(TWO)
    first = scenes.head(made, BASE).current
    _gone_back(made)
    _dying(made)
    with pytest.raises(TransientError):
        scenes.look(made, BASE)
    head = scenes.head(made, BASE)
    assert head.announce
    assert head.current is not None
    assert first is not None
    assert head.current.version == first.version
    scenes.lose(made)
    made.factory.sweeper.sweep()
    made.drain()
    assert scenes.head(made, BASE).announce == ""
    child = scenes.head(made, JAVA).current
    assert child is not None
    assert str(child.inputs.origin) == f"rhel9-base@{first.version}"


def test_a_sweep_finds_it_by_the_copy_even_if_the_copy_was_not_written_after_the_change() -> None:
    made = scenes.settled(TWO)
    _gone_back(made)
    original = made.ports.tables
    died: list[bool] = []

    def before(table: str, writes: object) -> None:
        if ImageStore(original).get_head(BASE).value.announce and not died:
            died.append(True)
            raise TransientError(ErrorClass.NETWORK, "the process died")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=original, before=before))
    with pytest.raises(TransientError):
        scenes.look(made, BASE)
    assert died
    scenes.lose(made)
    made.factory.sweeper.sweep()
    assert "rhel9-base" in scenes.asked(made)
    made.drain()
    assert scenes.head(made, BASE).announce == ""


def test_a_reuse_that_never_committed_leaves_no_mark_behind() -> None:
    made = scenes.settled(TWO)
    _gone_back(made)
    original = made.ports.tables
    armed = [True]

    def before(table: str, writes: object) -> None:
        if armed and "announce" in str(writes) and table == "images":
            armed.clear()
            raise TransientError(ErrorClass.NETWORK, "the process died")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=original, before=before))
    with pytest.raises(TransientError):
        scenes.look(made, BASE)
    made.settle()
    assert made.ports.galleries.latest(LIVE, BASE) is not None
    (copy,) = [head for head in scenes.index(made).heads() if head.name == BASE]
    assert copy == scenes.head(made, BASE)
