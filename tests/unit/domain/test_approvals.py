"""Which team may build on whose image: SecOps approves, the owner restricts further, and each state names who helps."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from pipeline_core.domain import approvals, registered_conditions
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.approvals import Approval, ApprovalState
from pipeline_core.domain.grants import SOON, GrantDecision
from pipeline_core.domain.names import ImageName, TeamName
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW

PARENT = ImageName("payments-base")
OWNER, TEAM, SECOPS = TeamName("payments"), TeamName("ml"), TeamName("secops")
TODAY = NOW.date()
BY = Actor(name="Sec Ops", identity="user:0001@2222")
DECISION = GrantDecision(by=BY, at=NOW, reason="asked for in 42")
LATER = GrantDecision(by=BY, at=NOW + timedelta(days=1), reason="later")


def _approval(**changes: object) -> Approval:
    given = {"parent": PARENT, "team": TEAM, "owner": OWNER, "granted": DECISION} | changes
    return Approval(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("owner", "is_needed"), [(SECOPS, False), (TEAM, False), (OWNER, True)], ids=["secops", "own", "another"]
)
def test_only_the_image_of_another_team_needs_an_approval(owner: TeamName, is_needed: bool) -> None:
    assert approvals.is_needed(TEAM, owner, SECOPS) is is_needed


STATES: dict[str, tuple[Approval | None, ApprovalState]] = {
    "nobody decided": (None, ApprovalState.NONE),
    "approved": (_approval(), ApprovalState.APPROVED),
    "last day": (_approval(until=TODAY), ApprovalState.APPROVED),
    "day after": (_approval(until=TODAY - timedelta(days=1)), ApprovalState.ENDED),
    "withdrawn": (_approval(withdrawn=DECISION), ApprovalState.WITHDRAWN),
    "withdrawn and ended": (
        _approval(withdrawn=DECISION, until=TODAY - timedelta(days=1)),
        ApprovalState.WITHDRAWN,
    ),
    "withheld": (_approval(withheld=DECISION), ApprovalState.WITHHELD),
    "withheld and withdrawn": (
        _approval(withheld=DECISION, withdrawn=DECISION),
        ApprovalState.WITHHELD,
    ),
    "withheld before SecOps decided": (_approval(granted=None, withheld=DECISION), ApprovalState.WITHHELD),
    "offered and never approved": (_approval(granted=None), ApprovalState.NONE),
    "another owner": (_approval(owner=TeamName("other")), ApprovalState.OWNER_CHANGED),
}


@pytest.mark.parametrize("case", STATES)
def test_an_approval_counts_only_while_nobody_took_it_back(case: str) -> None:
    approval, expected = STATES[case]
    state = approvals.state_of(approval, OWNER, TODAY)
    assert state is expected
    assert state.is_good is (expected is ApprovalState.APPROVED)
    assert bool(approvals.why_not(state, approval)) is not state.is_good


@pytest.mark.parametrize(
    ("until", "is_ending"),
    [
        (None, False),
        (TODAY - timedelta(days=1), False),
        (TODAY, True),
        (TODAY + SOON, True),
        (TODAY + SOON + timedelta(days=1), False),
    ],
)
def test_an_approval_ends_soon_within_two_weeks(until: date | None, is_ending: bool) -> None:
    assert approvals.is_ending(_approval(until=until), OWNER, TODAY) is is_ending
    assert not approvals.is_ending(_approval(until=until, withdrawn=DECISION), OWNER, TODAY)


def test_a_new_decision_takes_the_place_of_an_ended_one_and_keeps_what_the_owner_decided() -> None:
    ended = _approval(withdrawn=DECISION, until=TODAY, withheld=DECISION)
    again = approvals.granted(ended, PARENT, TEAM, OWNER, LATER, None)
    assert again == _approval(granted=LATER, withheld=DECISION)
    assert approvals.state_of(approvals.offered(again, LATER), OWNER, TODAY) is ApprovalState.APPROVED


def test_a_decision_about_a_former_owner_leaves_nothing_behind() -> None:
    former = _approval(owner=TeamName("other"), withheld=DECISION, withdrawn=DECISION)
    assert approvals.granted(former, PARENT, TEAM, OWNER, LATER, TODAY) == _approval(
        granted=LATER, until=TODAY
    )
    assert approvals.withheld(former, PARENT, TEAM, OWNER, LATER) == _approval(granted=None, withheld=LATER)


def test_the_first_withdrawal_stays() -> None:
    gone = approvals.withdrawn(_approval(), DECISION)
    assert approvals.withdrawn(gone, LATER) is gone
    kept = approvals.withheld(_approval(), PARENT, TEAM, OWNER, DECISION)
    assert approvals.withheld(kept, PARENT, TEAM, OWNER, LATER) is kept
    offered = approvals.offered(kept, LATER)
    assert offered == _approval(offered=LATER)
    assert approvals.withheld(offered, PARENT, TEAM, OWNER, DECISION) == kept


def test_the_one_who_can_help_is_named_with_the_command() -> None:
    ask_secops = approvals.who_helps(ApprovalState.ENDED, PARENT, TEAM, OWNER)
    assert ask_secops == "ask SecOps to run `imagefactory approve payments-base --for ml --reason TEXT`"
    ask_owner = approvals.who_helps(ApprovalState.WITHHELD, PARENT, TEAM, OWNER)
    assert "ask team payments to run `imagefactory approvals offer payments-base --for ml" in ask_owner


@pytest.mark.parametrize(
    ("approval", "reason", "since", "words"),
    [
        (_approval(until=TODAY), "ApprovalEndsSoon", None, f"ends on {TODAY}"),
        (None, "ApprovalNone", None, "SecOps has not approved this"),
        (
            _approval(until=TODAY - timedelta(days=1)),
            "ApprovalEnded",
            datetime.combine(TODAY, time(), tzinfo=UTC),
            "the approval ended on",
        ),
        (_approval(withdrawn=DECISION), "ApprovalWithdrawn", NOW, "SecOps withdrew the approval"),
        (_approval(withheld=LATER), "ApprovalWithheld", LATER.at, "imagefactory approvals offer"),
        (_approval(owner=TeamName("other")), "ApprovalOwnerChanged", None, "an image of team other"),
    ],
)
def test_a_child_says_since_when_its_team_may_not_build_on_the_parent(
    approval: Approval | None, reason: str, since: datetime | None, words: str
) -> None:
    parent, child = make.head(PARENT, make.BASE, team=OWNER), make.head(make.GRANDCHILD, PARENT, team=TEAM)
    state = approvals.state_of(approval, OWNER, TODAY)
    (shown,) = registered_conditions.of_approval(child, parent, state, approval, TODAY)
    assert (shown.reason, shown.since) == (reason, since)
    assert words in shown.message
    assert ("rebuilt as before" in shown.message) is not state.is_good


def test_a_child_whose_approval_lasts_says_nothing() -> None:
    parent, child = make.head(PARENT, make.BASE, team=OWNER), make.head(make.GRANDCHILD, PARENT, team=TEAM)
    for approval, state in ((_approval(), ApprovalState.APPROVED), (None, ApprovalState.NOT_NEEDED)):
        assert registered_conditions.of_approval(child, parent, state, approval, TODAY) == ()


def test_a_child_whose_approval_cannot_be_read_says_so() -> None:
    parent, child = make.head(PARENT, make.BASE, team=OWNER), make.head(make.GRANDCHILD, PARENT, team=TEAM)
    (shown,) = registered_conditions.of_approval(child, parent, ApprovalState.UNREADABLE, None, TODAY)
    assert (shown.reason, shown.since) == ("ApprovalUnreadable", None)
    assert "cannot be read" in shown.message
    assert "rebuilt as before" in shown.message
    assert "imagefactory state unreadable" in shown.message
