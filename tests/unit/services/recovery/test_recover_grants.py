"""Recovery of grants: who granted what until when is back with the image, also what was withdrawn."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.approvals import ApprovalState
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.waivers import WaiverState
from pipeline_core.services.policies.waivers import WaiverSubject
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes

PARENT, ML, RISK = ImageName("pay-base"), TeamName("ml"), TeamName("risk")
RULE = "simulated_rule_0"
WAIVER = WaiverSubject(image=PARENT, kind=WaiverKind.SCAN, rule=RULE)
Essence = tuple[list[Any], list[Any]]


def _world() -> SimulatedWorld:
    """An image of team payments that asks for a waiver and has it; team ml is approved, and team risk was."""
    made = scenes.registered({"rhel9-base": None})
    document = fleet.document(str(PARENT), "rhel9-base", team="payments")
    document["spec"]["verify"]["compliance"]["waivers"] = [{"rule": RULE, "reason": "later"}]
    bundle = world.upload(made, "content")
    by = scenes.principal("payments")
    made.factory.registrar.register(PARENT, document, bundle, by, expected=None, create_only=True)
    until = made.ports.clock.now().date() + timedelta(days=60)
    made.factory.waivers.grant(WAIVER, ADMIN, until=until, reason="seen in 42")
    for team in (ML, RISK):
        made.factory.approvals.approve(PARENT, team, ADMIN, until=until, reason="a trial")
    made.factory.approvals.withdraw(PARENT, RISK, ADMIN, reason="it is over")
    made.settle()
    return made


def _essence(made: SimulatedWorld) -> Essence:
    approvals = [each.approval for each in made.factory.approvals.page().approvals]
    waivers = [each.judged for each in made.factory.waivers.page(image=PARENT).waivers]
    return approvals, waivers


def _entries(made: SimulatedWorld, which: str) -> list[str]:
    prefix = f"chronicle/grants/{PARENT}/{which}/"
    return [each.name for each in made.ports.blobs.list("definitions", prefix, limit=100)]


def test_grants_are_back_with_their_image_and_what_was_withdrawn_stays_withdrawn() -> None:
    made = _world()
    before = _essence(made)
    losses.lost_and_recovered(made)
    assert _essence(made) == before
    states = {str(each.approval.team): each.state for each in made.factory.approvals.page().approvals}
    assert states == {"ml": ApprovalState.APPROVED, "risk": ApprovalState.WITHDRAWN}
    (waiver,) = made.factory.waivers.page(image=PARENT).waivers
    assert waiver.judged.state is WaiverState.GRANTED
    # A decision after the recovery is newer than those before it.
    made.factory.waivers.withdraw(WAIVER, ADMIN, reason="repaired")
    losses.lost_and_recovered(made)
    (waiver,) = made.factory.waivers.page(image=PARENT).waivers
    assert waiver.judged.state is WaiverState.WITHDRAWN


def _states(made: SimulatedWorld) -> dict[str, ApprovalState]:
    return {str(each.approval.team): each.state for each in made.factory.approvals.page().approvals}


def test_approvals_are_back_where_the_index_alone_was_lost() -> None:
    made = _world()
    before = _essence(made)
    losses.lose_tables(made, "index")
    assert _states(made) == {}
    assert losses.problems(losses.recover(made, force=True)) == {}
    assert _essence(made) == before


def test_approvals_of_a_deleted_parent_are_back_where_the_index_alone_was_lost() -> None:
    made = _world()
    approvals, _ = _essence(made)
    known = scenes.head(made, PARENT).registration.definition
    made.factory.registrar.unregister(PARENT, ADMIN, str(known))
    made.settle()
    losses.lose_tables(made, "index")
    assert losses.problems(losses.recover(made, force=True)) == {}
    assert [each.approval for each in made.factory.approvals.page().approvals] == approvals


def test_a_decision_after_a_loss_ranks_above_those_before_it() -> None:
    """Also where nobody has recovered yet. The logged decisions go on: the owner's is not passed over."""
    made = _world()
    owner = scenes.principal("payments")
    made.factory.approvals.withdraw(PARENT, RISK, owner, reason="not for them")
    (before,) = [each.approval for each in made.factory.approvals.page(team=RISK).approvals]
    losses.lose_tables(made, "index")
    with pytest.raises(PermanentError, match="team payments withdrew its offer"):
        made.factory.approvals.approve(PARENT, RISK, ADMIN, until=None, reason="again")
    made.factory.approvals.withdraw(PARENT, ML, ADMIN, reason="it is over")
    made.factory.approvals.offer(PARENT, RISK, owner, reason="now for them")
    (after,) = [each.approval for each in made.factory.approvals.page(team=RISK).approvals]
    assert (before.revision, after.revision) == (3, 4)
    losses.lose_tables(made)
    assert losses.problems(losses.recover(made)) == {}
    assert _states(made) == {"ml": ApprovalState.WITHDRAWN, "risk": ApprovalState.WITHDRAWN}


def test_a_lost_approval_that_is_given_again_unchanged_has_its_row_again() -> None:
    made = _world()
    (before,) = [each.approval for each in made.factory.approvals.page(team=ML).approvals]
    losses.lose_tables(made, "index")
    made.factory.approvals.approve(PARENT, ML, ADMIN, until=before.until, reason="a trial")
    assert _states(made) == {"ml": ApprovalState.APPROVED}


@pytest.mark.parametrize("which", ["approvals", "waivers"])
def test_the_sweep_writes_the_entry_that_a_dead_process_left_out(which: str) -> None:
    made = _world()
    before = _entries(made, which)
    log = made.base.effects.recovery_log
    for name in before:
        losses.lose_blob(made, "definitions", name)
    if which == "approvals":
        log.grants.announce_approval(PARENT, ML)
    else:
        log.grants.announce_waivers(PARENT)
    assert log.repair() == 0  # its writer may still be at work
    made.ports.clock.advance(timedelta(minutes=6))
    assert log.repair() == 1
    assert _entries(made, which)
    assert set(_entries(made, which)) <= set(before)
    assert log.repair() == 0


def test_an_entry_that_cannot_be_read_stops_no_recovery() -> None:
    made = _world()
    (name,) = _entries(made, "waivers")
    losses.lose_blob(made, "definitions", name)
    made.ports.blobs.create("definitions", name, b"{}", media_type="application/json")
    losses.lost_and_recovered(made)
    (waiver,) = made.factory.waivers.page(image=PARENT).waivers
    assert waiver.judged.state is WaiverState.ASKED
    assert len(made.factory.approvals.page().approvals) == 2
