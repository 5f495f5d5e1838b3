"""Approvals of parents: who decides, what a registration is refused with, and that nothing that exists is stopped."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from pipeline_core.domain.approvals import ApprovalState
from pipeline_core.domain.conditions import Condition, ConditionType
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Principal, TableWrite
from pipeline_core.services.policies.approvals import ApprovalView
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.scenes import BASE

PARENT, CHILD = ImageName("pay-base"), ImageName("ml-app")
PAYMENTS, ML = TeamName("payments"), TeamName("ml")
OWNER, STRANGER = scenes.principal("payments"), scenes.principal("ml")


def _document(name: ImageName, parent: ImageName, team: TeamName) -> dict[str, Any]:
    made = fleet.document(str(name), str(parent))
    made["metadata"]["team"] = str(team)
    return made


def _put(made: SimulatedWorld, document: dict[str, Any], by: Principal, **changes: Any) -> None:
    name = ImageName(document["metadata"]["name"])
    known = made.base.records.images.find_head(name)
    document["metadata"] |= changes
    made.factory.registrar.register(
        name,
        document,
        world.upload(made, "content"),
        by,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )


def _world() -> SimulatedWorld:
    """A base of SecOps, and an image of team payments on it."""
    made = scenes.registered({"rhel9-base": None})
    _put(made, _document(PARENT, BASE, PAYMENTS), OWNER)
    return made


def _register_child(made: SimulatedWorld, **changes: Any) -> None:
    _put(made, _document(CHILD, PARENT, ML), STRANGER, **changes)


def _refusal(made: SimulatedWorld) -> tuple[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        _register_child(made)
    (problem,) = refused.value.problems
    assert problem.path == "spec.parent.image"
    return problem.message, problem.remedy


def _approve(made: SimulatedWorld, until: date | None = None, by: Principal = ADMIN) -> ApprovalView:
    return made.factory.approvals.approve(PARENT, ML, by, until=until, reason="asked for in 42")


def _withdraw(made: SimulatedWorld, by: Principal = ADMIN) -> ApprovalView:
    return made.factory.approvals.withdraw(PARENT, ML, by, reason="it was for a trial")


def _condition(made: SimulatedWorld, image: ImageName = CHILD) -> Condition | None:
    shown = made.factory.queries.image(image).image.conditions
    found = [each for each in shown if each.type is ConditionType.APPROVAL_ENDS]
    assert len(found) < 2
    return found[0] if found else None


def test_a_child_of_another_teams_image_is_refused_and_the_message_says_whom_to_ask() -> None:
    made = _world()
    message, remedy = _refusal(made)
    assert "pay-base belongs to team payments, and team ml may not build on it" in message
    assert "SecOps has not approved this" in message
    assert "ask SecOps to run `imagefactory approve pay-base --for ml" in remedy
    assert "imagefactory bases --team ml" in remedy


def test_an_approved_team_builds_on_it_and_no_other_does() -> None:
    made = _world()
    view = _approve(made)
    assert view.state is ApprovalState.APPROVED
    assert view.approval.granted is not None
    assert view.approval.granted.by == ADMIN.actor
    _register_child(made)
    made.drain()
    assert made.versions()[str(CHILD)]
    assert _condition(made) is None
    with pytest.raises(InvalidDocument):
        _put(made, _document(ImageName("x-app"), PARENT, TeamName("risk")), scenes.principal("risk"))


def test_images_of_secops_and_of_the_own_team_need_no_approval_and_take_none() -> None:
    made = _world()
    _put(made, _document(ImageName("pay-app"), PARENT, PAYMENTS), OWNER)
    for parent, team, words in ((BASE, ML, "every team"), (PARENT, PAYMENTS, "team payments itself")):
        with pytest.raises(PermanentError, match=words):
            made.factory.approvals.approve(parent, team, ADMIN, until=None, reason="r")


def test_secops_alone_approves_and_says_why() -> None:
    made = _world()
    for by in (OWNER, STRANGER, scenes.principal("secops")):
        with pytest.raises(PermanentError) as refused:
            _approve(made, by=by)
        assert refused.value.error_class is ErrorClass.PERMISSION
    with pytest.raises(PermanentError, match="no reason was given"):
        made.factory.approvals.approve(PARENT, ML, ADMIN, until=None, reason=" ")
    with pytest.raises(PermanentError, match="2020-01-01 has passed"):
        _approve(made, date(2020, 1, 1))
    with pytest.raises(NotFound):
        made.factory.approvals.approve(ImageName("nothing"), ML, ADMIN, until=None, reason="r")
    assert made.factory.approvals.page().approvals == ()


def test_a_withdrawn_approval_gives_its_children_a_condition_and_stops_nothing() -> None:
    made = _world()
    _approve(made)
    _register_child(made)
    made.drain()
    before = made.versions()[str(CHILD)]
    assert _withdraw(made).state is ApprovalState.WITHDRAWN
    held = _condition(made)
    assert held is not None
    assert (held.reason, held.since) == ("ApprovalWithdrawn", made.ports.clock.now())
    assert f"SecOps withdrew the approval on {held.since:%Y-%m-%d} (it was for a trial)" in held.message
    scenes.released(made)
    made.drain()
    assert made.versions()[str(CHILD)] != before
    _register_child(made, owners=["new@example.com"])  # the definition may still be repaired
    assert "SecOps withdrew" in _refusal_of_another(made)


def _refusal_of_another(made: SimulatedWorld) -> str:
    with pytest.raises(InvalidDocument) as refused:
        _put(made, _document(ImageName("ml-other"), PARENT, ML), STRANGER)
    return refused.value.problems[0].message


def test_the_team_of_a_child_is_notified_of_a_withdrawal() -> None:
    made = _world()
    _approve(made)
    _register_child(made)
    _withdraw(made)
    _withdraw(made)  # again: nothing is written twice
    assert scenes.events(made, PARENT).count(Event.APPROVAL_WITHDRAWN) == 1
    assert scenes.events(made, CHILD).count(Event.APPROVAL_WITHDRAWN) == 1
    assert scenes.events(made, PARENT).count(Event.APPROVED) == 1


def test_an_approval_ends_behind_its_last_day_and_says_so_two_weeks_before() -> None:
    made = _world()
    last = made.ports.clock.now().date() + timedelta(days=20)
    assert not _approve(made, last).ends_soon
    _register_child(made)
    assert _condition(made) is None
    assert made.factory.approvals.page(ending=True).approvals == ()
    made.ports.clock.advance(timedelta(days=10))
    soon = _condition(made)
    assert soon is not None
    assert (soon.reason, soon.since) == ("ApprovalEndsSoon", None)
    assert f"ends on {last}" in soon.message
    assert [each.ends_soon for each in made.factory.approvals.page(ending=True).approvals] == [True]
    made.ports.clock.advance(timedelta(days=11))
    ended = _condition(made)
    assert ended is not None
    assert ended.reason == "ApprovalEnded"
    assert ended.since is not None
    assert ended.since.date() == last + timedelta(days=1)
    assert "the approval ended" in _refusal_of_another(made)


def test_the_owner_restricts_further_and_secops_cannot_go_over_its_head() -> None:
    made = _world()
    _approve(made)
    assert _withdraw(made, by=OWNER).state is ApprovalState.WITHHELD
    message, remedy = _refusal(made)
    assert "team payments withdrew its offer" in message
    assert "ask team payments to run `imagefactory approvals offer" in remedy
    with pytest.raises(PermanentError, match="ask team payments") as refused:
        _approve(made)
    assert refused.value.error_class is ErrorClass.CONFLICT
    offer = made.factory.approvals.offer
    for by in (STRANGER, ADMIN):
        with pytest.raises(PermanentError, match="only its members may offer it"):
            offer(PARENT, ML, by, reason="r")
    assert offer(PARENT, ML, OWNER, reason="they need it").state is ApprovalState.APPROVED
    _register_child(made)
    with pytest.raises(NotFound):
        offer(PARENT, ML, OWNER, reason="again")


def test_an_owner_withholds_before_anybody_approved() -> None:
    made = _world()
    assert _withdraw(made, by=OWNER).state is ApprovalState.WITHHELD
    offered = made.factory.approvals.offer(PARENT, ML, OWNER, reason="r")
    assert offered.state is ApprovalState.NONE
    with pytest.raises(NotFound, match="has no approval"):
        _withdraw(made)


def _fault_behind_the_record(made: SimulatedWorld, decide: Callable[[], object]) -> None:
    """The decision is stored, and the write of its first journal entry fails."""

    def fail(_table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.partition == str(PARENT) for write in writes):
            raise scenes.transient()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=fail))
    with pytest.raises(TransientError):
        decide()
    scenes.rewired(made)


ENTRIES = {
    Event.APPROVED: (ADMIN, "approve"),
    Event.APPROVAL_WITHDRAWN: (ADMIN, "withdraw"),
    Event.OFFER_WITHDRAWN: (OWNER, "withdraw"),
    Event.OFFERED: (OWNER, "offer"),
}


@pytest.mark.parametrize("event", ENTRIES)
def test_a_decision_that_is_sent_again_writes_the_entry_that_was_left_out(event: Event) -> None:
    made = _world()
    by, what = ENTRIES[event]
    if event is not Event.APPROVED:
        _approve(made)
    if event is Event.OFFERED:
        _withdraw(made, by=OWNER)

    def decide() -> ApprovalView:
        more = {"until": None} if what == "approve" else {}
        return getattr(made.factory.approvals, what)(PARENT, ML, by, reason="again", **more)  # type: ignore[no-any-return]

    _fault_behind_the_record(made, decide)
    assert scenes.events(made, PARENT).count(event) == 0
    made.ports.clock.advance(timedelta(minutes=1))
    assert decide() == decide()
    assert scenes.events(made, PARENT).count(event) == 1


def test_an_offer_can_be_withdrawn_and_made_again() -> None:
    made = _world()
    for number in range(2):
        assert _withdraw(made, by=OWNER).state is ApprovalState.WITHHELD
        made.ports.clock.advance(timedelta(minutes=1))
        assert made.factory.approvals.offer(PARENT, ML, OWNER, reason="r").approval.withheld is None
        assert scenes.events(made, PARENT).count(Event.OFFERED) == number + 1
        made.ports.clock.advance(timedelta(minutes=1))


def test_another_team_withdraws_nothing() -> None:
    made = _world()
    _approve(made)
    with pytest.raises(PermanentError, match="belongs to team payments"):
        _withdraw(made, by=STRANGER)
    assert made.factory.approvals.page().approvals[0].state is ApprovalState.APPROVED


def test_an_approval_does_not_pass_to_another_owner_of_the_name() -> None:
    made = _world()
    _approve(made)
    both = scenes.principal("payments", "risk")
    _put(made, _document(PARENT, BASE, TeamName("risk")), both)
    assert "was for an image of team payments" in _refusal(made)[0]


def test_the_same_decision_again_changes_nothing_and_another_reason_is_kept() -> None:
    made = _world()
    first = _approve(made)
    made.ports.clock.advance(timedelta(hours=1))
    assert _approve(made) == first
    other = made.factory.approvals.approve(PARENT, ML, ADMIN, until=None, reason="another")
    assert other.approval.granted is not None
    assert other.approval.granted.reason == "another"


def test_a_list_has_pages_and_filters() -> None:
    made = _world()
    for team in ("a", "b", "c"):
        made.factory.approvals.approve(PARENT, TeamName(team), ADMIN, until=None, reason="r")
    page = made.factory.approvals.page(limit=2)
    assert [str(each.approval.team) for each in page.approvals] == ["a", "b"]
    rest = made.factory.approvals.page(after=page.next or "", limit=2)
    assert [str(each.approval.team) for each in rest.approvals] == ["c"]
    assert rest.next is None
    (one,) = made.factory.approvals.page(team=TeamName("b")).approvals
    assert one.approval.team == TeamName("b")
    assert made.factory.approvals.page(parent=BASE).approvals == ()


def test_bases_are_what_the_team_may_build_on() -> None:
    made = _world()
    last = made.ports.clock.now().date() + timedelta(days=1)

    def names(team: TeamName) -> dict[str, bool]:
        return {str(each.name): each.is_approved for each in made.factory.bases.page(team).bases}

    assert names(PAYMENTS) == {"rhel9-base": False, "pay-base": False}
    assert names(ML) == {"rhel9-base": False}
    _approve(made, last)
    assert names(ML) == {"rhel9-base": False, "pay-base": True}
    made.ports.clock.advance(timedelta(days=2))
    assert names(ML) == {"rhel9-base": False}


def test_an_approval_that_cannot_be_read_stops_no_child_and_the_child_says_so() -> None:
    made = _world()
    _approve(made)
    _register_child(made)
    made.drain()
    before = made.versions()[str(CHILD)]
    row = unreadable_rows.make_unreadable(made, "index", "approvals", f"{ML}:{PARENT}")
    held = _condition(made)
    assert held is not None
    assert held.reason == "ApprovalUnreadable"
    scenes.released(made)
    made.drain()
    assert made.versions()[str(CHILD)] != before
    assert "cannot be read" in _refusal_of_another(made)
    unreadable_rows.put(made, "index", row)
    assert _condition(made) is None
