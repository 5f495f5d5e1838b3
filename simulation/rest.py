"""What must hold when the world is at rest. It is derived from galleries, sources and rows, not from plans."""

import contextlib
import json
from collections.abc import Mapping

from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, GalleryName, ImageName
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource, ParentVersion, SourceVersion
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.reading import cells
from pipeline_core.state.sources import SourceStore
from simulation.region import BudgetedContainers
from simulation.safety import SeenBuild
from simulation.world import SimulatedWorld

_JOURNAL = 5000
_BREAKER = "stop:"  # begins the key of a platform breaker's row
# Creations that were on their way when the region refused one, or behind a handler that died before its note.
_ON_THEIR_WAY = 2


def violations(world: SimulatedWorld) -> list[str]:
    """Violations of the invariants (1), (7) to (11), (42) and (44), those found before, and the chapters' own."""
    heads = _heads(world)
    return [
        *world.safety.broken,
        *world.host.findings,
        *world.findings,
        *_currency(world, heads),
        *_leftovers(world, heads),
        *_messages(world),
        *_journal(world, heads),
        *_repairs(world),
        *_refusals(world),
        *_breakers(world),
        *(line for chapter in world.chapters for line in chapter.violations()),
    ]


def _refusals(world: SimulatedWorld) -> list[str]:
    """(11) No more deletions are asked for than the region allows. (44) No creation, while the region asks to wait."""
    containers = world.ports.containers
    refused = containers.refused
    found = [f"(11) the region refused {refused} deletions: they were too many"] if refused else []
    if isinstance(containers, BudgetedContainers):
        found += [
            f"(44) the region was asked for {count} creations after {since:%d %H:%M}, when it asked to wait"
            for since, count in containers.pestered.items()
            if count > _ON_THEIR_WAY
        ]
    return found


def _breakers(world: SimulatedWorld) -> list[str]:
    """(42) No platform breaker is open: every outage was over a day ago, and what it held back is not missed."""
    rows = (row for row in world.ports.tables.rows("capacity") if row.key.startswith(_BREAKER))
    breakers = (json.loads(cells.joined(row.cells) or "{}") for row in rows)
    return [
        f"(42) the platform breaker of {each['error_class']} is open at rest, since {each['opened_at']}"
        for each in breakers
        if each["opened_at"] is not None
    ]


def _heads(world: SimulatedWorld) -> Mapping[ImageName, ImageHead]:
    images, index = ImageStore(world.ports.tables), Index(world.ports.tables)
    found = (images.find_head(head.name) for head in index.heads())
    return {stored.value.name: stored.value for stored in found if stored is not None}


def _currency(world: SimulatedWorld, heads: Mapping[ImageName, ImageHead]) -> list[str]:
    """(1) Every image is current, unless its input, or an ancestor's, fails permanently."""
    sources = SourceStore(world.ports.tables).followed()
    without = excused(world, heads)
    found: list[str] = [
        f"(1) {name} is registered and not in the fleet" for name in world.registered if name not in heads
    ]
    found += [f"(1) {name} was deleted and is in the fleet" for name in heads if name not in world.registered]
    found += _releases(world, sources)
    for name, head in heads.items():
        if head.doubt is not None:
            found.append(f"(20) {name} is doubted at rest: {head.doubt.detail}")
        if head.announce:
            found.append(f"(20) a change of {name} was not announced to its children")
        if head.active is not None:
            found.append(f"(1) {name} has the active build {head.active.build} at rest")
        if name in without:
            continue
        current = head.current
        if current is None:
            found.append(f"(1) {name} has no version")
            continue
        found += _behind(world, head, current.inputs)
        latest = world.ports.galleries.latest(head.registration.gallery, name)
        if latest != current.version:
            found.append(f"(1) latest of {name} is {latest}, its current version {current.version}")
    return found


def _behind(world: SimulatedWorld, head: ImageHead, inputs: BuildInputs) -> list[str]:
    """(1) What inputs lack of what the image is to be built from now; nothing where they are what is wanted."""
    name, origin, found = head.name, inputs.origin, list[str]()
    if isinstance(origin, SourceVersion) and isinstance(head.registration.origin, MarketplaceSource):
        source, market = head.registration.origin, world.ports.marketplace
        followed = SourceStore(world.ports.tables).followed().get(source.key)
        wanted = None if followed is None else followed.newest
        if origin.source.key != source.key:
            found.append(f"(1) {name} is built from {origin.source.key}, it follows {source.key}")
        elif wanted is not None and origin.version < wanted:
            found.append(f"(1) {name} is built from {origin.version}, {wanted} is the newest that was seen")
        elif origin.version != wanted and (source.key, origin.version) not in market.taken_back:
            found.append(f"(1) {name} is built from {origin.version}, which was never offered")
    elif isinstance(origin, ParentVersion):
        stored = ImageStore(world.ports.tables).find_head(origin.image)
        parent = None if stored is None else stored.value.current
        if head.registration.parent != origin.image or parent is None:
            found.append(f"(1) {name} is built from {origin.image}, which is not its parent")
        elif parent.version != origin.version:
            found.append(f"(1) {name} is built from {origin}, its parent is at {parent.version}")
    else:
        found.append(f"(1) {name} is built from {origin}, which it does not declare")
    platform = SourceStore(world.ports.tables).find_platform()
    if inputs.bundle != head.registration.bundle or inputs.recipe != head.registration.recipe:
        found.append(f"(1) {name} was not built from what is registered")
    trial = None if platform is None else platform.trial
    wanted_steps = platform if trial is None or name not in trial.images else trial
    if wanted_steps is None or inputs.platform != wanted_steps.digest:
        found.append(f"(1) {name} was built with other platform steps than it is to be built with")
    if head.request is not None and inputs.token != head.request.token:
        found.append(f"(1) {name} has not answered the newest request")
    if inputs.period != head.period:
        found.append(f"(1) {name} was built in an older period")
    return found


def _releases(world: SimulatedWorld, sources: Mapping[str, FollowedSource]) -> list[str]:
    """(1) Every source that images are built from is at the newest release that the Marketplace really offers."""
    index = Index(world.ports.tables)
    found: list[str] = []
    for followed in sources.values():
        offered = world.ports.marketplace.newest_offered(followed.source)
        if next(index.roots(followed.source), None) is not None and followed.newest != offered:
            found.append(
                f"(1) {followed.source.key} is at {followed.newest}, the Marketplace offers {offered}"
            )
    return found


def excused(world: SimulatedWorld, heads: Mapping[ImageName, ImageHead]) -> set[ImageName]:
    """Images whose newest input failed permanently by the platform's record, or whose parent has no version."""
    failed = {
        build.image
        for build in world.safety.builds.values()
        if build.result in ("failed", "cancelled")
        and build.id.rpartition(".")[0] in world.platform.failed_inputs
    }
    found = {name for name in heads if str(name) in failed and last_failed(world, name)}
    grown = True
    while grown:
        orphans = {
            name
            for name, head in heads.items()
            if name not in found
            and head.registration.parent in found
            and heads[head.registration.parent].current is None
        }
        found |= orphans
        grown = bool(orphans)
    return found


def last_failed(world: SimulatedWorld, image: ImageName) -> bool:
    """True if the last tried input fails permanently, or the input that is wanted now failed so when it was tried.

    They differ where an older input is wanted again, because what replaced it was taken back.
    """
    tried = [build for build in world.safety.builds.values() if build.image == str(image)]
    if not any(_fails(world, build) for build in tried):
        return False
    if _fails(world, tried[-1]):
        return True
    wanted = wanted_build(world, image)
    return wanted is not None and wanted.result == "failed" and _fails(world, wanted)


def _fails(world: SimulatedWorld, build: SeenBuild) -> bool:
    return build.id.rpartition(".")[0] in world.platform.failed_inputs


def wanted_build(world: SimulatedWorld, image: ImageName) -> SeenBuild | None:
    """The newest build of what the image is to be built from now, by the demands of (1).

    None where none was tried, or where a row that says so is lost or cannot be read.
    """
    images = ImageStore(world.ports.tables)
    with contextlib.suppress(UnreadableRow):
        head = images.find_head(image)
        for seen in reversed([each for each in world.safety.builds.values() if each.image == str(image)]):
            stored = images.find_build(BuildId(seen.id))
            if head is None or stored is None:
                return None
            if not _behind(world, head.value, stored.value.inputs):
                return seen
    return None


def found_nothing(world: SimulatedWorld, claim: Claim | None) -> bool:
    """True if the build of this claim did not find its release in the Marketplace."""
    return claim is not None and str(claim.build) in world.platform.found_nothing


def _leftovers(world: SimulatedWorld, heads: Mapping[ImageName, ImageHead]) -> list[str]:
    """(7) A finished build leaves nothing: no group, machine, slot or index row, and no version that is not live."""
    twins = world.ports
    found = [f"(7) the container group {name} is left" for name in twins.containers.names()]
    found += [
        f"(7) {each.id} is left"
        for each in twins.resources.list_build_resources()
        if each.id not in world.strangers
    ]
    current = {(str(name), str(head.current.version)) for name, head in heads.items() if head.current}
    homes = {str(name): head.registration.gallery for name, head in heads.items()}
    for image, version in sorted(world.platform.made):
        for gallery in (*world.quarantines, *world.live):
            shown = twins.galleries.find_version(gallery, ImageName(image), GalleryVersion.parse(version))
            if shown is None:
                if gallery == homes.get(image) and (image, version) in current:
                    found.append(f"(1) {image}@{version} is current and not in {gallery}")
                continue
            if gallery in world.quarantines:
                found.append(f"(7) {image}@{version} is left in {gallery}")
            elif shown.excluded_from_latest and world.safety.is_withdrawn(shown.tags.get(BUILD_TAG, "")):
                continue  # nobody wants it now; it is used when its input returns
            elif shown.tags.get(BUILD_TAG) in world.safety.lost:
                continue  # it was copied and waited to be included; recovery withholds it, and a person may look
            elif (image, version) not in world.safety.published:
                found.append(f"(7) {image}@{version} is left in {gallery} and was never published")
    found += [
        f"(7) {row.key} is left"
        for row in twins.tables.rows("capacity")
        if row.key.startswith(("slot:", "build:"))
    ]
    found += [
        f"(7) {row.partition}/{row.key} is left"
        for row in twins.tables.rows("index")
        if row.partition in ("pending", "active")
    ]
    found += [
        f"(7) the stranger's {each} was deleted before its lease was over"
        for each in sorted(world.strangers - {each.id for each in twins.resources.list_build_resources()})
    ]
    return found


def _messages(world: SimulatedWorld) -> list[str]:
    """(8) Every message ends in an effect, a named no-op (the host checks this) or a poison record."""
    found = [
        f"(8) {queue} holds {each.text}"
        for queue in world.ports.queues.names()
        for each in world.ports.queues.messages(queue)
    ]
    records = [dict(row.cells) for row in world.ports.tables.rows("index") if row.partition == "poison"]
    for queue, text in world.host.poisoned:
        if not any(row["queue"] == queue and row["text"] == text for row in records):
            found.append(f"(8) a poisoned message of {queue} has no record: {text}")
    return found


def _journal(world: SimulatedWorld, heads: Mapping[ImageName, ImageHead]) -> list[str]:
    """(9) The journal names every version that was included in latest, and why its build was queued."""
    found: list[str] = []
    images = ImageStore(world.ports.tables)
    for name in heads:
        entries = images.list_journal(name, limit=_JOURNAL)
        # A version that was kept out at the end of its build may be let in later, by a reuse.
        made = ("image.published", "build.withdrawn")
        published = {entry.version: entry for entry in entries if entry.event.value in made}
        queued = {entry.build for entry in entries if entry.event.value == "build.queued" and entry.reasons}
        for gallery in world.live:
            for shown in world.ports.galleries.list_versions(GalleryName(str(gallery)), name):
                if (str(name), str(shown.version)) in world.safety.explained:
                    continue
                entry = published.get(str(shown.version))
                if (
                    shown.excluded_from_latest
                    and (str(name), str(shown.version)) not in world.safety.published
                ):
                    continue
                if entry is None or entry.build not in queued:
                    found.append(f"(9) the journal does not explain {name}@{shown.version}")
    return found


def _repairs(world: SimulatedWorld) -> list[str]:
    """(10) Without faults, events are enough: the sweep finds no build to start.

    One that failed because its release was gone rests for a while. Only time ends that, so the sweep may start it.
    The same holds where a chapter brings rests that only the sweep ends.
    """
    if world.injector.faults.any or any(chapter.needs_sweep for chapter in world.chapters):
        return []
    builds = world.safety.builds
    rested = {builds[each].image for each in world.platform.found_nothing if each in builds}
    swept = [
        build.id
        for build in builds.values()
        if build.campaign.startswith("sweep-") and build.image not in rested
    ]
    return [f"(10) the build {build} was started by the sweep, although no fault struck" for build in swept]
