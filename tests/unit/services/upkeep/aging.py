"""Worlds for tests of retention: versions that are old enough, and the rounds of the days that follow."""

from datetime import timedelta
from typing import Any

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import Standing
from pipeline_core.services.versions import retention as plans
from pipeline_core.state.galleries.versions import VersionStore
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

LOOSE = {"keep": 1, "keepInUse": False}
DAY = timedelta(days=1)
GRACE = timedelta(days=8)  # longer than the grace period


def put(made: SimulatedWorld, name: str, parent: str | None, text: str, retention: dict[str, Any]) -> None:
    document = fleet.document(name, parent)
    document["spec"]["retention"] = retention
    image = ImageName(name)
    known = scenes.images(made).find_head(image)
    expected = None if known is None else str(known.value.registration.definition)
    bundle = world.upload(made, text)
    made.factory.registrar.register(
        image, document, bundle, ADMIN, expected=expected, create_only=expected is None
    )
    made.drain()


def versions(made: SimulatedWorld, image: ImageName = BASE) -> list[int]:
    return [found.version.sequence for found in made.ports.galleries.list_versions(LIVE, image)]


def offered(made: SimulatedWorld, image: ImageName = BASE) -> list[int]:
    listed = made.ports.galleries.list_versions(LIVE, image)
    return [found.version.sequence for found in listed if not found.excluded_from_latest]


def standings(made: SimulatedWorld, image: ImageName = BASE) -> dict[int, Standing]:
    records = VersionStore(made.ports.tables).of_image(image)
    return {version.sequence: stored.value.standing for version, stored in records.items()}


def base_with(retention: dict[str, Any], *texts: str) -> SimulatedWorld:
    """A base with a live version for each text; the oldest is older than the grace period."""
    made = scenes.registered({})
    for text in texts:
        put(made, "rhel9-base", None, text, retention)
    made.ports.clock.advance(GRACE)
    return made


def four(retention: dict[str, Any] = LOOSE) -> SimulatedWorld:
    made = base_with(retention, "one", "two", "three", "four")
    assert versions(made) == [1, 2, 3, 4]
    return made


def next_round(made: SimulatedWorld, later: timedelta = DAY) -> int:
    """The next day's round, in as many slices as it takes."""
    made.ports.clock.advance(later)
    changed = 0
    for _ in range(50):
        changed += made.factory.pruner.prune()
        found = made.base.records.rounds.find(plans.ROUND)
        if found is not None and found.value.is_over:
            return changed
    raise AssertionError("the round has no end")


def prune(made: SimulatedWorld) -> None:
    """Exclude, let the grace period pass, delete."""
    next_round(made)
    next_round(made, GRACE)
