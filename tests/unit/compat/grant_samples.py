"""One full value of each record of a grant, as `samples` has them of the other records."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from pipeline_core.domain.actors import Actor
from pipeline_core.domain.approvals import Approval
from pipeline_core.domain.grants import GrantDecision
from pipeline_core.domain.names import TeamName
from tests.unit.domain.factories import BASE, NOW, TEAM


def approvals() -> Sequence[Approval]:
    """One that holds, and one that has everything."""
    by = Actor(name="Admin", identity="user:00000000-0000-4000-8000-000000000001@2222")
    made = GrantDecision(by=by, at=NOW, reason="a trial")
    plain = Approval(parent=BASE, team=TEAM, owner=TeamName("secops"), granted=made)
    full = replace(
        plain,
        team=TeamName("ml"),
        until=date(2027, 1, 31),
        withdrawn=made,
        withheld=replace(made, reason="b"),
    )
    return (plain, full)
