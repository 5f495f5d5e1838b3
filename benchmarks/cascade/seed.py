"""Writes a registered and current fleet directly into the tables, as thousands of builds would leave it.

The rows are the services' own rows. Every image has the same small document. Only its origin differs.
"""

from dataclasses import replace
from datetime import datetime

from benchmarks.cascade.fleet import SampleFleet, SimulatedImage
from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead, PublishedVersion, Registration
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import LIVE, Digest, GalleryName, ImageName, Region, TeamName, build_id
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.recipe import recipe_digest
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import (
    MarketplaceSource,
    Origin,
    ParentReference,
    ParentVersion,
    SourceVersion,
)
from pipeline_core.domain.staleness import Platform
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.sources import SourceStore
from pipeline_core.wire.image_yaml import read as image_yaml
from simulation import fleet as documents

LOCATION = Region("westeurope")
SOURCE = MarketplaceSource(**documents.SOURCE, location=LOCATION)
OLD = MarketplaceVersion(9, 6, 2025112113)
_BUILT = GalleryVersion(9, 20261101, 1)


def seed(ports: MemoryPorts, fleet: SampleFleet, gallery: GalleryName) -> None:
    """Write every image as current at the release `OLD`, with its index rows."""
    bundle, _ = documents.bundle()
    document = documents.document("image", None)
    definition = image_yaml.parse_definition(document, bundle=bundle, location=LOCATION)
    content = image_yaml.definition_blob(document, bundle)
    digest = image_yaml.digest_of(content)
    ports.blobs.create("definitions", f"{digest}.json", content, media_type="application/json")
    ports.marketplace.publish(SOURCE, OLD)
    sources = SourceStore(ports.tables)
    sources.save(FollowedSource(source=SOURCE, newest=OLD), etag=None)
    sources.save_platform(Platform(digest=bundle), over=sources.find_platform())
    heights, chains = fleet.heights(), fleet.chains()
    images, index = ImageStore(ports.tables), Index(ports.tables)
    for place, image in enumerate(fleet.images):
        parent = None if image.parent is None else ImageName(fleet.images[image.parent].name)
        head = _head(image, parent, definition, digest, gallery, ports.clock.now())
        own = image.held + image.publish
        head = replace(head, height=heights[place], build_seconds=own, chain_seconds=chains[place] - own)
        images.commit([records.put_head(head, etag=None)])
        note = LookNote(
            root=_root_of(fleet, place), parent=parent, parent_version=None if parent is None else _BUILT
        )
        index.replace_copy(head.name, head, over=None, note=note)
        if parent is None:
            index.add_root(SOURCE, head.name)
        else:
            index.add_child(parent, head.name)


def _root_of(fleet: SampleFleet, place: int) -> ImageName:
    image = fleet.images[place]
    while image.parent is not None:
        image = fleet.images[image.parent]
    return ImageName(image.name)


def _head(
    image: SimulatedImage,
    parent: ImageName | None,
    definition: ImageDefinition,
    digest: Digest,
    gallery: GalleryName,
    now: datetime,
) -> ImageHead:
    name = ImageName(image.name)
    origin: Origin = SOURCE if parent is None else ParentReference(image=parent, channel=LIVE)
    recipe = recipe_digest(definition)
    registration = Registration(
        name=name,
        team=TeamName(image.team),
        origin=origin,
        major=9,
        definition=digest,
        recipe=recipe,
        bundle=definition.bundle,
        gallery=gallery,
    )
    inputs = BuildInputs(
        image=name,
        recipe=recipe,
        bundle=definition.bundle,
        origin=SourceVersion(source=SOURCE, version=OLD)
        if parent is None
        else ParentVersion(image=parent, version=_BUILT),
        platform=definition.bundle,
    )
    made_from = fingerprint(inputs)
    current = PublishedVersion(
        version=_BUILT,
        fingerprint=made_from,
        inputs=inputs,
        build=build_id(name, made_from, 1),
        lane=Lane.HUMAN,
        published_at=now,
    )
    return ImageHead(registration=registration, registered_at=now, current=current, last_version=_BUILT)
