"""A build that is being copied to the live gallery, for tests."""

from datetime import timedelta

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE


def publishing(
    *, replication: timedelta = timedelta(minutes=3), fails_with: str = ""
) -> tuple[SimulatedWorld, Build, GalleryVersion]:
    """A world whose one build is proven and being copied; its messages are held back by the test."""
    made = scenes.registered({"rhel9-base": None})
    made.ports.galleries.replication, made.ports.galleries.fails_with = replication, fails_with
    made.ports.galleries.deletion = timedelta(0)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.lose(made)
    assert build.version is not None
    return made, build, build.version


def live(made: SimulatedWorld, version: GalleryVersion) -> GalleryImageVersion | None:
    """The version in the live gallery, or None."""
    return made.ports.galleries.find_version(LIVE, BASE, version)


def left(made: SimulatedWorld) -> list[GalleryImageVersion]:
    """What is in the live gallery and in quarantine."""
    galleries = made.ports.galleries
    return [*galleries.list_versions(LIVE, BASE), *galleries.list_versions(QUARANTINE, BASE)]


def after(made: SimulatedWorld, build: Build) -> Build:
    """The build as it is stored now."""
    return scenes.stored(made, build.id).value
