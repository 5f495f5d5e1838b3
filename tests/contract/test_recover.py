"""Lost records are derived again from what Azurite and the emulator keep, as from the twins.

A fleet is built on twins; what outlives a loss of tables is brought to Azurite and to the emulator's galleries.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.system import SystemChance
from pipeline_core.domain.blob_rights import BlobRights, BlobToken
from pipeline_core.domain.definitions import TargetRegion
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.ports import (
    BlobFacts,
    GalleryImageVersion,
    NewGalleryVersion,
    Row,
    TableWrite,
    VersionState,
)
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.contract import machines
from tests.contract.conftest import Azure
from tests.fixtures.azurite import AzuriteForTests
from tests.unit.services import losses, scenes

CONTAINERS = ("definitions", "provenance", "builds", "bundles", "jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Tables of this test's own."""

    inner: AzureTables
    prefix: str

    def find(self, table: str, partition: str, key: str) -> Row | None:
        return self.inner.find(self.prefix + table, partition, key)

    def scan(self, table: str, partition: str, **bounds: Any) -> Sequence[Row]:
        return self.inner.scan(self.prefix + table, partition, **bounds)

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        return self.inner.write(self.prefix + table, writes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blobs:
    """Containers of this test's own."""

    inner: AzureBlobs
    prefix: str

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        self.inner.create(self.prefix + container, name, content, media_type=media_type)

    def create_from(self, container: str, name: str, parts: Iterable[bytes], *, media_type: str) -> None:
        self.inner.create_from(self.prefix + container, name, parts, media_type=media_type)

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        return self.inner.read(self.prefix + container, name, limit=limit)

    def read_part(self, container: str, name: str, *, first: int, length: int) -> bytes:
        return self.inner.read_part(self.prefix + container, name, first=first, length=length)

    def find_facts(self, container: str, name: str) -> BlobFacts | None:
        return self.inner.find_facts(self.prefix + container, name)

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        return self.inner.list(self.prefix + container, prefix, limit=limit)

    def delete(self, container: str, name: str, *, etag: str) -> None:
        self.inner.delete(self.prefix + container, name, etag=etag)

    def delegate(self, rights: BlobRights, *, now: datetime, until: datetime) -> BlobToken:
        return self.inner.delegate(rights, now=now, until=until)


@pytest.fixture
def stores(azurite: AzuriteForTests, unique_name: Callable[[str], str]) -> Iterator[tuple[Tables, Blobs]]:
    """Empty tables and containers on Azurite."""
    prefix = unique_name("r")
    letters = prefix.replace("-", "")
    options = azurite.client_options()
    with (
        TableServiceClient(azurite.table, **options) as tables,
        BlobServiceClient(azurite.blob, **options) as blobs,
    ):
        for table in losses.TABLES:
            tables.create_table(letters + table)
        for container in CONTAINERS:
            blobs.create_container(f"{prefix}-{container}")
        yield (
            Tables(inner=AzureTables(tables, SystemChance()), prefix=letters),
            Blobs(inner=AzureBlobs(blobs), prefix=f"{prefix}-"),
        )
        for table in losses.TABLES:
            tables.delete_table(letters + table)
        for container in CONTAINERS:
            blobs.delete_container(f"{prefix}-{container}")


def _bring(
    made: SimulatedWorld, azure: Azure, galleries: AzureGalleries, blobs: Blobs
) -> Sequence[GalleryImageVersion]:
    """Bring blobs and live versions of the world to Azurite and the emulator; the versions as they were.

    The emulator makes each version anew, so the records of publication would be about other copies. They are left out,
    and the new copies stay out of `latest` until `_publish`.
    """
    for container in CONTAINERS:
        for facts in made.ports.blobs.list(container, "", limit=100_000):
            if facts.name.endswith(".publication.dsse.json"):
                continue
            content = made.ports.blobs.read(container, facts.name, limit=10**8)
            blobs.create(container, facts.name, content, media_type="application/octet-stream")
    copied = []
    for image in losses.heads(made):
        for gallery in (QUARANTINE, LIVE):
            galleries.ensure_image(gallery, image, machines.TRAITS)
        for found in made.ports.galleries.list_versions(LIVE, image):
            machines.capture(azure, str(image), str(found.version), wait=True)
            galleries.begin_copy(
                NewGalleryVersion(
                    gallery=LIVE,
                    source_gallery=QUARANTINE,
                    image=image,
                    version=found.version,
                    regions=(TargetRegion(name=Region("westeurope")),),
                    tags=found.tags,
                )
            )
            copied.append(found)
    return copied


def _publish(made: SimulatedWorld, galleries: AzureGalleries, copied: Sequence[GalleryImageVersion]) -> None:
    """Sign what the gallery shows of each copy that was in `latest`, and let it in. Recovery signs the others."""
    for found in copied:
        live = _await(galleries, LIVE, found.image, found.version)
        if not found.excluded_from_latest:
            made.parts.provenance.provenance.attest(live)
            galleries.set_excluded(LIVE, found.image, found.version, excluded=False)
            _await(galleries, LIVE, found.image, found.version)


def _await(
    galleries: AzureGalleries, gallery: GalleryName, image: ImageName, version: Any
) -> GalleryImageVersion:
    deadline = time.monotonic() + 15
    while True:
        found = galleries.find_version(gallery, image, version)
        if found is not None and found.state is VersionState.READY:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def _plain(head: ImageHead) -> ImageHead:
    """What must come back, but for the time of the statement's blob, which is Azurite's own."""
    essence = losses.essence_of(head)
    assert essence.current is not None
    return replace(essence, current=replace(essence.current, published_at=head.registered_at))


def test_a_lost_fleet_is_current_again_from_real_stores(
    azure: Azure, stores: tuple[Tables, Blobs], unique_name: Callable[[str], str]
) -> None:
    tables, blobs = stores
    base, child = unique_name("base"), unique_name("child")
    made = scenes.settled({base: None, child: base})
    made.register(child, base, text="edited")
    made.settle()
    made.register(child, base)  # the first version of the child is used again
    made.settle()
    before = losses.heads(made)
    galleries = AzureGalleries(
        azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
    )
    copied = _bring(made, azure, galleries, blobs)
    scenes.lose(made)
    scenes.rewired(made, tables=tables, blobs=blobs, galleries=galleries)
    _publish(made, galleries, copied)
    assert losses.problems(losses.recover(made)) == {}
    images = made.base.records.images
    after = {name: images.get_head(name).value for name in before}
    assert {name: _plain(head) for name, head in after.items()} == {
        name: _plain(head) for name, head in before.items()
    }
    assert {scenes.rest_of(made, name) for name in before} == {"current"}
    assert [len(images.list_builds(name, limit=10)) for name in before] == [0, 0]
