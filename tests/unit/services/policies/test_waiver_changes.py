"""Grants of waivers behind the first one: withdrawn though nobody asks, renewed, and sent again after a fault."""

from datetime import date, timedelta

import pytest

from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.errors import PermanentError, TransientError
from pipeline_core.domain.waivers import WaiverState
from pipeline_core.services.policies.waivers import WaiverSubject, WaiverView
from pipeline_core.wire.messages import QUEUES
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services import policy_documents as policies
from tests.unit.services.scenes import BASE

RULE = "simulated_rule_0"
SUBJECT = WaiverSubject(image=BASE, kind=WaiverKind.SCAN, rule=RULE)


def _register(made: SimulatedWorld, *rules: str) -> None:
    """A base that asks for 90, and for a waiver of each of these rules."""
    document = fleet.document("rhel9-base", None)
    document["spec"]["verify"]["compliance"]["waivers"] = [
        {"rule": rule, "reason": "later"} for rule in rules
    ]
    known = made.base.records.images.find_head(BASE)
    made.factory.registrar.register(
        BASE,
        document,
        world.upload(made, "content"),
        ADMIN,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )


def _world(score: int = 95) -> SimulatedWorld:
    made = scenes.registered({})
    made.platform.scores = {"rhel9-base": score}
    _register(made, RULE)
    made.drain()
    return made


def _day(made: SimulatedWorld, days: int = 30) -> date:
    return made.ports.clock.now().date() + timedelta(days=days)


def _grant(made: SimulatedWorld, days: int = 30) -> WaiverView:
    return made.factory.waivers.grant(SUBJECT, ADMIN, until=_day(made, days), reason="seen in 42")


def _states(made: SimulatedWorld, *, asked: bool = False) -> list[WaiverState]:
    return [view.judged.state for view in made.factory.waivers.page(asked=asked).waivers]


def test_a_grant_that_no_definition_asks_for_any_more_is_shown_and_can_be_withdrawn() -> None:
    made = _world()
    _grant(made)
    _register(made)
    assert _states(made) == [WaiverState.UNASKED]
    assert _states(made, asked=True) == []  # there is nothing that SecOps should grant
    view = made.factory.waivers.withdraw(SUBJECT, ADMIN, reason="repaired")
    assert (view.judged.state, view.judged.rule, view.ends_soon) == (WaiverState.WITHDRAWN, RULE, False)
    assert _states(made) == []
    _register(made, RULE)
    assert _states(made) == [WaiverState.WITHDRAWN]  # and not granted


def test_a_grant_is_withdrawn_while_the_definition_cannot_be_read() -> None:
    made = _world()
    _grant(made)
    head = scenes.head(made, BASE)
    (name,) = [
        each.name
        for each in made.ports.blobs.list("definitions", "", limit=1000)
        if str(head.registration.definition) in each.name
    ]
    losses.lose_blob(made, "definitions", name)
    scenes.rewired(made)  # no copy of it is in memory
    with pytest.raises(PermanentError):
        _grant(made, 20)
    view = made.factory.waivers.withdraw(SUBJECT, ADMIN, reason="repaired")
    assert view.judged.state is WaiverState.WITHDRAWN


def test_a_recovered_image_shows_what_it_no_longer_asks_for_when_it_alone_is_asked_for() -> None:
    made = _world()
    _grant(made)
    _register(made)
    losses.lost_and_recovered(made)
    (view,) = made.factory.waivers.page(image=BASE).waivers
    assert view.judged.state is WaiverState.UNASKED


def _refused_and_granted_with_a_fault_behind_the_commit() -> SimulatedWorld:
    """A gate refused the base, whose sweeps are quiet; the grant is stored, and the message of it is lost."""
    made = _world(score=85)
    made.settle()
    assert len(scenes.builds(made, BASE)) == 1
    queues = scenes.Failing(inner=made.ports.queues, name="send", errors=[scenes.transient()])
    scenes.rewired(made, queues=queues)
    with pytest.raises(TransientError):
        _grant(made)
    assert queues.errors == []
    assert scenes.head(made, BASE).grants == 1
    assert not any(made.ports.queues.messages(queue) for queue in QUEUES)
    return made


def test_a_grant_that_is_sent_again_after_a_fault_wakes_the_image() -> None:
    made = _refused_and_granted_with_a_fault_behind_the_commit()
    _grant(made)
    assert scenes.head(made, BASE).grants == 1
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2


@pytest.mark.parametrize("turn", [timedelta(0), timedelta(hours=6)])
def test_a_grant_that_nobody_sends_again_after_a_fault_is_found_by_the_next_sweep(turn: timedelta) -> None:
    """In one of the two turns, the sweep reads no head of an image whose note says that a claim holds it back."""
    made = _refused_and_granted_with_a_fault_behind_the_commit()
    made.ports.clock.advance(turn)
    made.factory.sweeper.sweep()
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2


def test_a_grant_that_became_too_long_is_renewed_with_the_same_day_and_reason() -> None:
    made = _world()
    policies.put(made, waivers={"longest": "30d"})
    until = _day(made, 30)
    _grant(made, 30)
    policies.put(made, waivers={"longest": "20d"})
    made.ports.clock.advance(timedelta(days=10))
    assert _states(made) == [WaiverState.TOO_LONG]
    view = made.factory.waivers.grant(SUBJECT, ADMIN, until=until, reason="seen in 42")
    assert view.judged.state is WaiverState.GRANTED
    assert view.judged.grant is not None
    assert view.judged.grant.granted.at == made.ports.clock.now()
