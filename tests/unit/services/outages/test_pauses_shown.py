"""Who pauses the factory, who hears of it, what it costs, and what is written down."""

from datetime import timedelta

import pytest

from pipeline_core.domain import attempts, pauses
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.journal import FACTORY_ITSELF, Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.pauses import PauseState
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.services.outages.pauses import PauseView
from pipeline_core.state import creations as spending
from pipeline_core.wire.problems import InvalidDocument
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.notify import receiving

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
LATER = attempts.CREATION + pauses.CLOCKS + timedelta(seconds=1)


def _pause(made: SimulatedWorld) -> PauseView:
    return made.factory.pauses.pause(ADMIN, "an incident")


def _resume(made: SimulatedWorld) -> PauseView:
    return made.factory.pauses.resume(ADMIN, "it is over")


def test_only_secops_pause_and_resume_and_a_pause_has_a_reason() -> None:
    made = scenes.settled(ONE)
    for principal in (scenes.principal("secops"), scenes.principal(roles=["Factory.Reader"])):
        with pytest.raises(PermanentError, match="only SecOps") as refused:
            made.factory.pauses.pause(principal, "an incident")
        assert refused.value.error_class is ErrorClass.PERMISSION
        with pytest.raises(PermanentError, match="only SecOps"):
            made.factory.pauses.resume(principal)
    with pytest.raises(PermanentError, match="no reason was given"):
        made.factory.pauses.pause(ADMIN, "  ")
    assert made.factory.pauses.show() == PauseView(state=PauseState.RUNNING, pause=None, text="")


def test_a_second_pause_and_a_second_end_change_nothing() -> None:
    made = scenes.settled(ONE)
    first = _pause(made)
    assert made.factory.pauses.pause(ADMIN, "another reason") == first
    made.ports.clock.advance(timedelta(hours=1))
    ended = _resume(made)
    assert _resume(made) == ended
    assert [entry.event for entry in scenes.images(made).list_journal(FACTORY_ITSELF, limit=9)] == [
        Event.FACTORY_PAUSED,
        Event.FACTORY_RESUMED,
    ]
    assert scenes.logged(made, "factory-paused", actor=ADMIN.actor.identity, reason="an incident")
    assert scenes.logged(made, "factory-resumed", actor=ADMIN.actor.identity, reason="it is over")


def test_every_receiver_of_secops_hears_of_it_and_no_team() -> None:
    made = receiving.registered(receiving.hook(receiving.A, "factory.paused"))
    made.ports.web.answers[receiving.B] = receiving.TAKEN
    made.factory.receivers.add(FleetReceiver(url=receiving.B, events=frozenset({Event.LATE})), ADMIN)
    made.factory.receivers.rotate(ReceiverId.of(receiving.B, None), ADMIN)
    made.drain()
    before = len(receiving.posted(made, receiving.B))
    _pause(made)
    made.drain()
    _resume(made)
    made.drain()
    sent = receiving.posted(made, receiving.B)[before:]
    assert [each["type"] for each in sent] == ["imagefactory.factory.paused", "imagefactory.factory.resumed"]
    assert [each["data"]["detail"] for each in sent] == ["an incident", "it is over"]
    assert "imagefactory.factory.paused" not in [each["type"] for each in receiving.posted(made, receiving.A)]


def test_no_image_takes_the_name_of_the_factorys_journal() -> None:
    made = scenes.registered({})
    with pytest.raises(InvalidDocument, match="the name of the factory's own journal"):
        made.register("imagefactory", None)


def test_an_older_release_that_counts_a_creation_keeps_the_pause() -> None:
    """It writes the row with the cells that it knows over those that it read."""
    made = scenes.settled(ONE)
    _pause(made)
    row = made.ports.tables.find("capacity", "slots", spending.KEY)
    assert row is not None
    made.ports.tables.write("capacity", [TableWrite(verb=WriteKind.REPLACE, row=row)])
    assert scenes.capacity(made).look(made.ports.clock.now()).is_halted


@pytest.mark.parametrize("number", [1, 3])
def test_a_pause_costs_a_fixed_number_of_operations_and_some_for_each_slot(number: int) -> None:
    names = ["rhel9-base", "rhel9-one", "rhel9-two"][:number]
    made = scenes.registered(dict.fromkeys(names))
    made.factory.poller.poll()
    for name in names:
        scenes.in_phase(made, ImageName(name), Phase.BUILDING)
    before = made.ports.tables.operations
    _pause(made)
    assert made.ports.tables.operations - before <= 8 + number


def test_the_factorys_journal_is_read_like_that_of_an_image() -> None:
    made = scenes.settled(ONE)
    _pause(made)
    (entry,) = made.factory.history.journal(FACTORY_ITSELF, limit=10).entries
    assert (entry.event, entry.actor, entry.detail) == (Event.FACTORY_PAUSED, "Admin", "an incident")
