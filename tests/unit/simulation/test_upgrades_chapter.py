"""What no row that cannot be read may do is named, and what an outage has done is told from it."""

import json
import random
from dataclasses import replace
from datetime import timedelta

from simulation.chapters.upgrades import FactoryReleases
from simulation.story import SeedStory
from simulation.trouble.outages import ReportedCause, SimulatedOutage
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, find, rested, write

_NEWER = ReportedCause(error_class="cosmic-ray", message="the builder is newer than the factory")


def _fail(made: SimulatedWorld, message: str) -> str:
    """A build of the base has failed by an error of the factory itself. Returns its id."""
    row = find(made, "images", str(BASE), "build:")
    said = json.loads(str(row.cells["value"]))
    name = f"{said['id']['value']}0"
    failure = {"error_class": "internal", "message": message}
    text = json.dumps({**said, "id": {"value": name}, "failure": failure}, separators=(",", ":"))
    write(made, "images", replace(row, key=f"build:{name}", cells={**row.cells, "value": text}))
    return name


def _violations(made: SimulatedWorld) -> list[str]:
    story = SeedStory(world=made, chance=random.Random("story 1"), images=2)
    return list(FactoryReleases(story, random.Random("upgrades 1")).violations())


def _strike(made: SimulatedWorld, build: str) -> None:
    now = made.ports.clock.now()
    outage = SimulatedOutage(since=now, until=now + timedelta(hours=1), report=_NEWER)
    outage.strike(build)
    made.platform.outages.known.append(outage)


def test_a_build_that_failed_because_a_row_could_not_be_read_is_named() -> None:
    made = rested()
    name = _fail(made, "row head cannot be read")
    _strike(made, name)  # of another cause
    assert _violations(made) == [f"(18) build:{name} failed because a row could not be read"]


def test_a_class_that_only_a_newer_builder_knows_is_of_the_outage_that_reported_it() -> None:
    made = rested()
    name = _fail(made, _NEWER.message)
    assert _violations(made)
    _strike(made, name)
    assert _violations(made) == []
