"""Trials of platform steps: a fleet with canaries, and what a test asks about it."""

from typing import Any

from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.staleness import Platform
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes

CANARY, TOO = ImageName("rhel9-canary"), ImageName("java-canary")
FLEET = {"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-canary": None, "java-canary": "rhel9-canary"}
TOOL = {
    "id": "falcon",
    "version": "7.1",
    "url": f"https://{fleet.HOST}/falcon-7.1.rpm",
    "sha256": "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210",
}
NO_TOOLS: dict[str, Any] = {"hosts": [fleet.HOST], "entries": []}


def settled() -> SimulatedWorld:
    """A base with a child, and a canary base with a child; all are built."""
    return scenes.settled(FLEET)


def begin(made: SimulatedWorld, text: str, *images: ImageName) -> Digest:
    """Upload these steps, without a tool, and try them on these images."""
    digest = world.upload(made, text)
    made.factory.platforms.put(digest, NO_TOOLS, ADMIN, canaries=images)
    return digest


def platform_of(made: SimulatedWorld) -> Platform:
    """What is in force and on trial."""
    found = scenes.sources(made).find_platform()
    assert found is not None
    return found


def steps_of(made: SimulatedWorld, image: ImageName) -> Digest:
    """The steps of the image's current version."""
    current = scenes.head(made, image).current
    assert current is not None
    return current.inputs.platform
