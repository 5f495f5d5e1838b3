"""Containers that are lost one by one raise alerts too: no outage of something else is their cause."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.ports import TableWrite, WriteKind
from simulation import world
from simulation.faults import Faults, Kind
from simulation.trouble.harm import Harm
from simulation.trouble.outages import ReportedCause, SimulatedOutage
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, find, rested

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CAUSES: Mapping[str, Mapping[str, Any]] = {
    "report": {"report": ReportedCause(error_class="token")},
    "killed": {"report": ReportedCause(error_class="eviction")},
    "fault": {"fault": Kind.EVICTED},
}
_NEVER_BEGINS = 5  # a seed whose first silent container never begins


def _build(made: SimulatedWorld) -> str:
    return next(build.id for build in made.safety.builds.values() if build.image == str(BASE))


def _outage(made: SimulatedWorld, **what: Any) -> SimulatedOutage:
    now = made.ports.clock.now()
    outage = SimulatedOutage(since=now, until=now + HOUR, **what)
    made.platform.outages.known.append(outage)
    return outage


def _alert(made: SimulatedWorld, harm: Harm) -> None:
    """The journal of the base says that its build opened a breaker."""
    row = find(made, "images", str(BASE), "entry:")
    said = json.loads(str(row.cells["value"]))
    said |= {
        "event": "platform.breaker-opened",
        "detail": "eviction in region:west since 10:00 UTC: the container ended",
        "build": {"value": _build(made)},
    }
    opened = replace(row, cells={**row.cells, "value": json.dumps(said)})
    harm.watch("tables.write", ("images", [TableWrite(verb=WriteKind.INSERT, row=opened)]))


@pytest.mark.parametrize(
    ("cause", "then_struck", "is_named"),
    [
        ("report", "", False),
        ("report", "build", True),
        ("report", "image", True),
        ("report", "another-image", False),
        ("killed", "", True),
        ("fault", "", True),
    ],
)
def test_an_alert_about_a_container_that_was_lost_by_itself_is_of_no_outage_of_something_else(
    cause: str, then_struck: str, is_named: bool
) -> None:
    made = rested()
    harm, record = Harm(world=made), made.platform.outages
    outage = _outage(made, **CAUSES[cause])
    record.strike(outage, _build(made))
    record.lose_alone(_build(made))
    if then_struck:
        record.strike(outage, {"build": _build(made), "image": str(BASE)}.get(then_struck, then_struck))
    _alert(made, harm)
    _alert(made, harm)
    assert [line.startswith("(26) 2 alerts") for line in harm.violations()] == [True] * is_named


@pytest.mark.parametrize("faults", [Faults(evicted=1.0), Faults(silent=1.0)])
@pytest.mark.parametrize(
    ("seed", "since", "until", "is_alone"),
    [
        (1, None, None, True),
        (1, 0, 3, False),
        (1, 3, 60, False),
        (_NEVER_BEGINS, None, None, True),
        (_NEVER_BEGINS, 0, 60, False),
    ],
    ids=["none", "at its begin", "at its end", "none, never begins", "never begins"],
)
def test_the_platform_knows_which_containers_were_lost_by_themselves(
    faults: Faults, seed: int, since: int | None, until: int | None, is_alone: bool
) -> None:
    """With an outage that takes the containers that begin or end in these minutes, and one that only reports."""
    made = world.make(seed=seed, faults=faults)
    now = made.ports.clock.now()
    _outage(made, **CAUSES["report"])
    if since is not None and until is not None:
        taking = _outage(made, fault=Kind.EVICTED)
        taking.since, taking.until = now + since * MINUTE, now + until * MINUTE
    made.register(str(BASE), None)
    made.run_until(now + 4 * MINUTE)
    made.ports.clock.advance(15 * MINUTE)  # the container ends, and the factory has not looked yet
    made.platform.advance()
    assert made.platform.outages.alone == ({_build(made)} if is_alone else set())


def test_a_container_that_an_outage_takes_while_it_runs_is_not_lost_by_itself() -> None:
    made = world.make(seed=1, faults=Faults(silent=1.0))
    made.register(str(BASE), None)
    made.run_until(made.ports.clock.now() + 3 * MINUTE)
    outage = _outage(made, fault=Kind.SILENT)
    made.platform.lose(outage)
    outage.until = made.ports.clock.now()
    made.platform.advance()
    assert made.platform.outages.alone == set()
