"""One full value of each record of a grant, as `samples` has them of the other records."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from pipeline_core.domain.actors import Actor
from pipeline_core.domain.approvals import Approval
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.waivers import WaiverGrant
from tests.unit.domain.factories import BASE, NOW, TEAM


def approvals() -> Sequence[Approval]:
    """One that holds, one that has everything but an offer, and one that its owner offers again."""
    by = Actor(name="Admin", identity="user:00000000-0000-4000-8000-000000000001@2222")
    made = GrantDecision(by=by, at=NOW, reason="a trial")
    plain = Approval(parent=BASE, team=TEAM, owner=TeamName("secops"), granted=made)
    full = replace(
        plain,
        team=TeamName("ml"),
        until=date(2027, 1, 31),
        withdrawn=made,
        revision=3,
        withheld=replace(made, reason="b"),
    )
    offered = replace(plain, team=TeamName("risk"), offered=made, revision=3)
    return (plain, full, offered)


def waivers() -> Sequence[WaiverGrant]:
    """One of each kind; that of a finding has everything."""
    made = approvals()[0].granted
    assert made is not None
    scan = WaiverGrant(
        image=BASE,
        team=TEAM,
        kind=WaiverKind.SCAN,
        rule="partition_for_tmp",
        until=date(2027, 1, 31),
        granted=made,
    )
    full = replace(
        scan, kind=WaiverKind.HYGIENE, rule="private-key", path="/opt/key.pem", withdrawn=made, revision=2
    )
    return (scan, full, replace(scan, kind=WaiverKind.INVARIANT, rule="Service: auditd: enabled"))
