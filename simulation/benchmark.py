"""`python -m simulation.benchmark`: the cost of a plan of the whole fleet, and of one build in storage operations.

It prints figures of one run, with ratios beside absolute figures, because machines differ. The last line is JSON.
"""

import json
import random
import resource
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead, PublishedVersion, Registration
from pipeline_core.domain.names import LIVE, Digest, GalleryName, ImageName, TeamName, build_id
from pipeline_core.domain.plan import plan
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.snapshot import take_snapshot
from pipeline_core.domain.sources import ParentReference
from pipeline_core.domain.staleness import Platform, World, desired_inputs
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from simulation import fleet, world

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OLD, NEW = MarketplaceVersion(9, 6, 2025112113), MarketplaceVersion(9, 8, 2026062323)


def settled(count: int) -> World:
    """`count` images, all current at the old release, in a world that offers the new one."""
    parents = fleet.forest(count, random.Random(7))  # noqa: S311 - the same in each run
    digest = Digest("a" * 64)
    heads: dict[ImageName, ImageHead] = {}
    old = World(
        heads=heads,
        sources={world.SOURCE.key: FollowedSource(source=world.SOURCE, newest=OLD)},
        platform=Platform(digest=digest),
    )
    for name, parent in parents.items():
        image = ImageName(name)
        registration = Registration(
            name=image,
            team=TeamName("team"),
            origin=world.SOURCE if parent is None else ParentReference(image=ImageName(parent), channel=LIVE),
            major=9,
            definition=digest,
            recipe=digest,
            bundle=digest,
            gallery=GalleryName("live"),
        )
        head = ImageHead(registration=registration, registered_at=NOW)
        heads[image] = head
        inputs = desired_inputs(head, old)
        if isinstance(inputs, BuildInputs):
            heads[image] = replace(head, current=_current(image, inputs))
    return replace(old, sources={world.SOURCE.key: FollowedSource(source=world.SOURCE, newest=NEW)})


def _current(image: ImageName, inputs: BuildInputs) -> PublishedVersion:
    print_ = fingerprint(inputs)
    return PublishedVersion(
        version=GalleryVersion(9, 20261101, 1),
        fingerprint=print_,
        inputs=inputs,
        build=build_id(image, print_, 1),
        lane=Lane.HUMAN,
        published_at=NOW,
    )


def plan_seconds(around: World) -> tuple[float, int]:
    """CPU seconds for the staleness of every image and a plan of each stale one, and how many are stale."""
    started = time.process_time()
    taken = take_snapshot(next(iter(around.heads)), around)
    stale = [name for name in around.heads if taken.find_stale(name) is not None]
    for name in stale:
        plan(replace(taken, image=name), NOW)
    return time.process_time() - started, len(stale)


def operations_per_build() -> dict[str, float]:
    """Table and queue operations of a cascade over six images, per build: the sum, and those of steps that wait."""
    made = world.make(seed=1)
    for name, parent in fleet.SIX.items():
        made.register(name, parent)
    made.drain()
    made.publish_release(str(NEW))
    tables, sent, before = made.ports.tables.operations, made.deliveries, made.waits
    made.factory.poller.poll()
    made.drain()
    builds = len(fleet.SIX)
    delivered, waited = made.deliveries - sent, made.waits - before
    queue = 3 * delivered  # each message is sent, received and deleted
    return {
        "tables": round((made.ports.tables.operations - tables) / builds, 1),
        "queues": round(queue / builds, 1),
        "waiting_steps": round(waited / builds, 1),
        "without_waiting": round((made.ports.tables.operations - tables + queue - 4 * waited) / builds, 1),
    }


def main() -> int:
    """Print the figures."""
    small, _ = plan_seconds(settled(1_000))
    large, stale = plan_seconds(settled(10_000))
    facts = {
        "plan_10000_cpu_seconds": round(large, 3),
        "plan_10000_over_1000": round(large / small, 1),
        "stale": stale,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "storage_operations_per_build": operations_per_build(),
    }
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
