"""Small worlds at rest, and ways to break them by hand behind the services' backs."""

import random
from dataclasses import replace
from typing import Any, TypeVar

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import NewContainerGroup, Row, TableWrite, WriteKind
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from simulation import rest, world
from simulation.chapters.chapter import Chapter
from simulation.story import SeedStory
from simulation.world import SimulatedWorld

BASE, JAVA = ImageName("rhel9-base"), ImageName("rhel9-java")
QUARANTINE, LIVE = world.QUARANTINE, world.LIVE
FIRST = GalleryVersion(9, 20261121, 1)  # what each image of a world at rest has
NEXT_RELEASE = "9.8.2026062323"
C = TypeVar("C", bound=Chapter)


def rested(**options: Any) -> SimulatedWorld:
    """A parent and its child, both current, and nothing to be said against."""
    made = world.make(**options)
    made.register(str(BASE), None)
    made.register(str(JAVA), str(BASE))
    made.settle()
    assert rest.violations(made) == []
    return made


def released(made: SimulatedWorld) -> SimulatedWorld:
    """The same world when a new release was seen and the word of it waits to be delivered."""
    made.publish_release(NEXT_RELEASE)
    made.factory.poller.poll()
    return made


def working(made: SimulatedWorld, phase: str) -> SimulatedWorld:
    """The same world when the parent's next build has come to this phase."""
    released(made)
    while not any(build.phase == phase for build in made.safety.builds.values()):
        made.run_until(made.ports.clock.now() + world.POLL / 5)
    return made


def job_of_child(made: SimulatedWorld) -> NewContainerGroup:
    """The group in which the child's image was built, by another name."""
    for facts in made.ports.blobs.list("jobs", ""):
        digest = facts.name.removesuffix(".json")
        job = BuildJob.from_wire(made.ports.blobs.read("jobs", facts.name, limit=JOB_LIMIT), digest=digest)
        if (job.image, job.stage) == (str(JAVA), "build"):
            return NewContainerGroup(name="again", environment={"IF_JOB": digest}, tags={})
    raise AssertionError("the child was not built")


def find(made: SimulatedWorld, table: str, partition: str, key: str) -> Row:
    """A row that must be there; `key` may be its beginning."""
    rows = [row for row in made.ports.tables.rows(table) if row.partition == partition]
    return next(row for row in rows if row.key.startswith(key))


def write(made: SimulatedWorld, table: str, row: Row, *, verb: WriteKind = WriteKind.INSERT) -> None:
    """As a service would: watched."""
    made.faulty.tables.write(table, [TableWrite(verb=verb, row=row)])


def rewrite(made: SimulatedWorld, table: str, row: Row, old: str, new: str, *, key: str = "") -> None:
    """Write a row with its text changed, under another key where one is given."""
    text = str(row.cells["value"])
    assert old in text, f"{old} is not in {text}"
    changed = replace(row, cells={**row.cells, "value": text.replace(old, new)})
    if key:
        write(made, table, replace(changed, key=key))
    else:
        write(made, table, changed, verb=WriteKind.REPLACE)


def told(chapter: type[C], *, seed: int) -> tuple[SimulatedWorld, C]:
    """A parent and its child at rest, with this chapter beside them."""
    made = world.make()
    story = SeedStory(world=made, chance=random.Random(seed), images=2)
    own = chapter(story, random.Random(seed))
    story.chapters.append(own)
    made.chapters.append(own)
    own.begin()
    story.parents = {str(BASE): None, str(JAVA): str(BASE)}
    for name in story.parents:
        story.register(name)
    made.settle()
    return made, own
