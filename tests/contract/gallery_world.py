"""A gallery for contract tests: the port on the memory twin or the emulator, with an image and the ways of others."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.domain.definitions import TargetRegion
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, NewGalleryVersion, VersionState
from tests.contract import machines
from tests.contract.conftest import Azure

QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
V1, V2 = GalleryVersion(9, 20261121, 1), GalleryVersion(9, 20261121, 2)
TAGS = {"imagefactory-build": "b.1", "imagefactory-origin": "RedHat:RHEL:9-lvm-gen2:9.6.2025112113"}
TRAITS = machines.TRAITS
_AT_REST = (VersionState.READY, VersionState.FAILED, VersionState.UPDATE_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWorld:
    """The port, an image that is in both galleries, and the ways of others."""

    galleries: Galleries
    image: ImageName
    # what Packer made in quarantine; False: being made still
    add_to_quarantine: Callable[[ImageName, GalleryVersion, bool], None]
    let_time_pass: Callable[[], None]
    change_slowly: Callable[[], None]  # the next change takes its time
    fail_a_change: Callable[[], None]  # the next change is accepted, and fails at its end
    define_slowly: Callable[[], None]  # the next definition takes its time

    def add_source(self, version: GalleryVersion, ready: bool) -> None:
        self.add_to_quarantine(self.image, version, ready)

    def find(self, version: GalleryVersion, gallery: GalleryName = LIVE) -> GalleryImageVersion | None:
        return self.galleries.find_version(gallery, self.image, version)

    def get(self, version: GalleryVersion) -> GalleryImageVersion:
        found = self.find(version)
        assert found is not None
        return found

    def copy(self, version: GalleryVersion, **tags: str) -> None:
        self.galleries.begin_copy(
            NewGalleryVersion(
                gallery=LIVE,
                source_gallery=QUARANTINE,
                image=self.image,
                version=version,
                regions=(TargetRegion(name=Region("westeurope")), TargetRegion(name=Region("northeurope"))),
                tags=tags or TAGS,
                end_of_life=datetime(2027, 2, 1, tzinfo=UTC),
            )
        )

    def settle(self, version: GalleryVersion) -> GalleryImageVersion | None:
        """The version once nothing more happens to it."""
        deadline = time.monotonic() + 15
        while True:
            found = self.find(version)
            if found is None or found.state in _AT_REST:
                return found
            assert time.monotonic() < deadline, found
            self.let_time_pass()

    def publish(self, version: GalleryVersion) -> None:
        self.add_source(version, True)
        self.copy(version)
        self.settle(version)

    def include(self, version: GalleryVersion, *, excluded: bool = False) -> None:
        self.galleries.set_excluded(LIVE, self.image, version, excluded=excluded)


def make(kind: str, request: pytest.FixtureRequest, image: ImageName) -> SimulatedWorld:
    """The world of one test: `kind` is memory or azure. The image is in both galleries."""
    if kind == "memory":
        clock = ManualClock()
        twin = MemoryGalleries(
            clock=clock,
            names=[QUARANTINE, LIVE],
            replication=timedelta(minutes=4),
            deletion=timedelta(seconds=30),
        )

        def add(made: ImageName, version: GalleryVersion, ready: bool) -> None:
            state = VersionState.READY if ready else VersionState.CREATING
            twin.add_version(
                GalleryImageVersion(
                    gallery=QUARANTINE,
                    image=made,
                    version=version,
                    state=state,
                    excluded_from_latest=True,
                    disk_gb=64,
                )
            )

        made = SimulatedWorld(
            galleries=twin,
            image=image,
            add_to_quarantine=add,
            let_time_pass=lambda: clock.advance(timedelta(minutes=1)),
            change_slowly=lambda: setattr(twin, "updating", timedelta(minutes=2)),
            fail_a_change=lambda: twin.update_failures.append("InternalError: the region was lost"),
            define_slowly=lambda: setattr(twin, "defining", timedelta(minutes=2)),
        )
    else:
        azure: Azure = request.getfixturevalue("azure")
        request.getfixturevalue("no_faults")
        made = SimulatedWorld(
            galleries=AzureGalleries(
                azure.clients.compute, azure.clients.publisher, azure.clients.cleaner, azure.configuration
            ),
            image=image,
            add_to_quarantine=lambda made, version, ready: machines.capture(
                azure, str(made), str(version), wait=ready
            ),
            let_time_pass=lambda: time.sleep(0.05),
            change_slowly=lambda: fault_of_change(azure, operation_seconds=0.4),
            fail_a_change=lambda: fault_of_change(
                azure, status=500, code="InternalError", message="the region was lost"
            ),
            define_slowly=lambda: fault_of_definition(azure, operation_seconds=0.5),
        )
    for gallery in (QUARANTINE, LIVE):
        made.galleries.ensure_image(gallery, image, TRAITS)
    return made


ALONE: dict[str, Any] = {
    "add_to_quarantine": lambda *_: None,
    "let_time_pass": lambda: time.sleep(0.05),
    "change_slowly": lambda: None,
    "fail_a_change": lambda: None,
    "define_slowly": lambda: None,
}


def fault_of_change(azure: Azure, **fault: object) -> None:
    at = {"method": "PATCH", "path_regex": "/versions/", "in_operation": True}
    azure.arm.ask("POST", "faults", {**at, **fault})


def fault_of_definition(azure: Azure, **fault: object) -> None:
    at = {"method": "PUT", "path_regex": "/images/[^/]+$", "in_operation": True}
    azure.arm.ask("POST", "faults", {**at, **fault})
