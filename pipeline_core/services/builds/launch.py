"""Prepare one attempt: write its job under the job's digest, and give the container group that is to run the job."""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from pipeline_core import telemetry
from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts, blob_rights, captures, gates
from pipeline_core.domain.builds import Build, Failure, Phase
from pipeline_core.domain.definitions import (
    AnsibleStep,
    FileStep,
    ImageDefinition,
    OsTraits,
    Provisioner,
    SecurityType,
    ServedPort,
    ShellStep,
    Volume,
    WaiverKind,
)
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, Owner, PermanentError
from pipeline_core.domain.names import Digest, GalleryName, ImageName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.sources import ParentVersion, SourceVersion
from pipeline_core.domain.staged_tools import CatalogTool
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Blobs, NewContainerGroup, VersionState
from pipeline_core.services.builds.captures import Captures
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.policies.waivers import WaiverGrants
from pipeline_core.services.versions.inherited import InheritedHardening
from pipeline_core.state.stores import Records
from pipeline_core.wire import blob_token
from pipeline_core.wire import job as wire

_LEASE_MARGIN = timedelta(
    hours=1
)  # a build's resources may outlive its deadline by this much, and up to an hour more
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What the stage runs with: the traits of the quarantined image definition, the size of the build machine's
    disk in GB (None where it is the image's), and the gallery of a child's parent."""

    os: OsTraits
    disk_gb: int | None
    gallery: GalleryName


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Turns a build's phase into a job and a container group."""

    records: Records
    blobs: Blobs
    captures: Captures
    effects: Effects
    waivers: WaiverGrants
    inherited: InheritedHardening
    deployment: Deployment

    def prepare(self, build: Build, group: str, now: datetime) -> NewContainerGroup:
        """The group of the attempt, not created yet. Makes the image definition and the job's blob; safe to repeat.

        Repeated within an hour, also at the same time, it writes the same blob.
        """
        definition = self.effects.documents.definition(build.definition)
        job = self._job(build, definition, self._prepare(build, definition), now)
        content = job.to_wire()
        digest = hashlib.sha256(content).hexdigest()
        with contextlib.suppress(AlreadyExists):
            self.blobs.create("jobs", f"{digest}.json", content, media_type="application/json")
        return NewContainerGroup(
            name=group,
            environment=self._environment(job, digest),
            secrets={blob_token.VARIABLE: self._token(build, definition, job, digest, now)},
            tags=job.tags,
        )

    def _token(
        self, build: Build, definition: ImageDefinition, job: wire.BuildJob, digest: str, now: datetime
    ) -> str:
        """The rights of this attempt, for no other folder, and for no longer than it can run."""
        inputs = (build.inputs.bundle, build.inputs.platform)
        stage = build.phase.stage
        rights = blob_rights.rights_of(
            attempts.folder_of(build), stage, job=Digest(digest), bundles=inputs, tools=job.stored
        )
        until = blob_rights.ends_at(now, stage, definition.build.timeout)
        return blob_token.to_wire(self.blobs.delegate(rights, now=now, until=until))

    def lacks_file(self, build: Build, failure: Failure) -> bool:
        """True where an attempt failed so because the file of a tool was lost, which is noted and nobody's failure.

        Asked only about the class that a builder reports then. The next attempt begins when all files are admitted.
        """
        if failure.error_class is not ErrorClass.UNKNOWN or failure.is_of_team:
            return False
        lost = self.effects.needed.note_lost(build, self.effects.clock.now())
        if lost:
            named = ", ".join(f"{tool} {version}" for tool, version, _ in lost)
            self.effects.logs.note("tool-lost", image=str(build.image), build_id=str(build.id), tools=named)
        return bool(lost)

    def _prepare(self, build: Build, definition: ImageDefinition) -> _Prepared:
        if build.phase is not Phase.BUILDING:  # the machine has the disk of the version
            os = self.captures.as_built(build, definition)
            return _Prepared(os=os, disk_gb=None, gallery=build.gallery)
        gallery = self._gallery_of_parent(build)
        os, disk_gb = self.captures.prepare(build, definition, gallery)
        return _Prepared(os=os, disk_gb=disk_gb, gallery=gallery)

    def _environment(self, job: wire.BuildJob, digest: str) -> dict[str, str]:
        trace = telemetry.traceparent()
        return {
            **({"TRACEPARENT": trace} if trace else {}),
            "IF_ATTEMPT": str(job.attempt),
            "IF_BLOB_ENDPOINT": self.deployment.blob_endpoint,
            "IF_BUILD_ID": job.build,
            "IF_CLIENT_ID": self.deployment.builder_client_id,
            "IF_JOB": digest,
            "IF_QUEUE_ENDPOINT": self.deployment.queue_endpoint,
            "IF_STAGE": job.stage,
        }

    def find_made(self, build: Build) -> VersionState | None:
        """How far the quarantined version is that this attempt's Packer made; None where it has made none."""
        return self.captures.find_made(build)

    def discard(self, build: Build) -> None:
        """Remove what the attempt to build leaves beside its version: call it when the attempt has ended."""
        definition = self.effects.documents.definition(build.definition)
        if definition.os.security_type is not SecurityType.STANDARD:
            self.captures.discard(build)

    def _job(
        self, build: Build, definition: ImageDefinition, prepared: _Prepared, now: datetime
    ) -> wire.BuildJob:
        if build.version is None:
            raise ValueError(f"build {build.id} was started without a version")
        needed = definition.build.timeout + attempts.AFTER_STEPS[build.phase.stage] + _LEASE_MARGIN
        lease = _full_hour(now + needed)
        quarantined = self._gallery_image(
            self.deployment.quarantine_of(build.quarantine), build.image, build.version
        )
        is_build = build.phase is Phase.BUILDING
        source = self._source(build, prepared.gallery) if is_build else quarantined
        volumes = tuple(map(_volume, definition.build.volumes)) if is_build else ()
        hardening = self._hardening(build, definition)
        tests = self._tests(build, definition)
        return wire.BuildJob(
            schema_version=2 if volumes or hardening != wire.JobHardening() else 1,
            build=str(build.id),
            image=str(build.image),
            stage="build" if is_build else "verify",
            attempt=build.attempt,
            is_root=isinstance(build.inputs.origin, SourceVersion),
            source=source,
            destination=quarantined,
            placement=self._placement(build, definition, prepared),
            plan=None if prepared.os.plan is None else wire.Plan.of(prepared.os.plan),
            steps=tuple(_step(step) for step in definition.build.provisioners) if is_build else (),
            catalog=self._catalog(build) if is_build else (),
            tools=self._own_tools(build, definition, tests),
            tests=tests,
            serves=tuple(_served(each) for each in definition.serves),
            waived=self._waived(definition) if is_build else (),
            volumes=volumes,
            hardening=hardening,
            bundle=str(build.inputs.bundle),
            platform=str(build.inputs.platform),
            timeout_seconds=int(definition.build.timeout.total_seconds()),
            lease_until=lease,
            tags={**self.deployment.tags, **_tags(build, lease)},
        )

    def _hardening(self, build: Build, definition: ImageDefinition) -> wire.JobHardening:
        """A base's own, or what a child inherits: nothing in the machine under test says what is demanded of it."""
        own = definition.hardening
        return wire.JobHardening(profile=own.profile or "", fips=own.fips or self.inherited.is_fips(build))

    def _waived(self, definition: ImageDefinition) -> tuple[wire.WaivedFinding, ...]:
        """Findings of hygiene that are waived at this moment: the check of the build stage passes them."""
        counting = self.waivers.counting(definition, WaiverKind.HYGIENE)
        return tuple(wire.WaivedFinding(rule=each.rule, path=each.asked.path) for each in counting)

    def _source(self, build: Build, gallery: GalleryName) -> wire.MarketplaceImage | wire.GalleryImage:
        origin = build.inputs.origin
        if isinstance(origin, SourceVersion):
            return wire.MarketplaceImage(
                publisher=origin.source.publisher,
                offer=origin.source.offer,
                sku=origin.source.sku,
                version=str(origin.version),
            )
        return self._gallery_image(gallery, origin.image, origin.version)

    def _gallery_of_parent(self, build: Build) -> GalleryName:
        origin = build.inputs.origin
        if not isinstance(origin, ParentVersion):
            return build.gallery
        if build.parent is not None:
            return build.parent.gallery
        return self.records.images.get_head(origin.image).value.registration.gallery

    def _gallery_image(
        self, gallery: GalleryName, image: ImageName, version: GalleryVersion
    ) -> wire.GalleryImage:
        subscription, resource_group = self.deployment.place(gallery)
        return wire.GalleryImage(
            subscription_id=subscription,
            resource_group=resource_group,
            gallery=str(gallery),
            image=str(image),
            version=str(version),
        )

    def _placement(self, build: Build, definition: ImageDefinition, prepared: _Prepared) -> wire.Placement:
        is_build = build.phase is Phase.BUILDING
        machine = (
            captures.build_machine(prepared.os.security_type)
            if is_build
            else captures.verify_machine(definition.os.security_type)
        )
        return wire.Placement(
            subscription_id=self.deployment.subscription_id,
            client_id=self.deployment.builder_client_id,
            location=str(self.deployment.location),
            resource_group=self.deployment.build_resource_group,
            vm_subnet_id=self.deployment.vm_subnet_id,
            vm_size=definition.build.vm_size,
            generation=definition.os.generation.value,
            security_type="Standard" if machine is SecurityType.STANDARD else "TrustedLaunch",
            os_disk_gb=prepared.disk_gb,
            managed_image=self.captures.managed_image_of(build, prepared.os) if is_build else "",
        )

    def _catalog(self, build: Build) -> tuple[wire.StagedTool, ...]:
        """The staged tools. Their digests come from the build's own inputs, and name the files in our storage.

        The name of the file is the last part of its address, in the catalog in force or in that of the build's
        platform steps.
        """
        if not build.inputs.catalog:
            return ()
        platform = self.records.sources.find_platform()
        urls = (
            {} if platform is None else {platform.catalog[tool]: url for tool, url in platform.urls.items()}
        )
        if not urls.keys() >= set(build.inputs.catalog):
            urls = {**self._pinned(build.inputs.platform), **urls}
        return tuple(_staged(tool, _url(urls, tool)) for tool in build.inputs.catalog)

    def _own_tools(
        self, build: Build, definition: ImageDefinition, tests: wire.Tests
    ) -> tuple[wire.StagedTool, ...]:
        """What the platform's own steps of the stage use, from the catalog of the build's platform steps."""
        own = self.effects.needed.own(build, definition, is_scanned=bool(tests.profile))
        return tuple(_staged((each.id, each.version, each.sha256), each.url) for each in own)

    def _pinned(self, platform: Digest) -> Mapping[CatalogTool, str]:
        """The addresses in the catalog that the build was planned with: its bundle of platform steps holds it."""
        return {
            (each.id, each.version, each.sha256): each.url
            for each in self.effects.needed.catalog_of(platform)
        }

    def _tests(self, build: Build, definition: ImageDefinition) -> wire.Tests:
        """The definition's tests. SecOps' floor counts where the version is verified."""
        is_build = build.phase is Phase.BUILDING
        return _tests(definition, ComplianceFloor() if is_build else self.waivers.floor_of(build.image))


def _full_hour(moment: datetime) -> datetime:
    """The moment, or the next full hour: a build that waits for its container has one job an hour, not one a look."""
    begun = moment.replace(minute=0, second=0, microsecond=0)
    return begun if begun == moment else begun + _HOUR


def _staged(tool: CatalogTool, url: str) -> wire.StagedTool:
    return wire.StagedTool(id=tool[0], version=tool[1], file=url.rpartition("/")[2], sha256=tool[2], url=url)


def _url(urls: Mapping[CatalogTool, str], tool: CatalogTool) -> str:
    """The address of this very file. Raises PermanentError (POLICY), which is never the team's fault."""
    if tool not in urls:
        text = f"{tool[0]} {tool[1]} is not in the catalog any more, nor in the catalog of the build's platform steps"
        raise PermanentError(ErrorClass.POLICY, f"{text}: put it back", owner=Owner.PLATFORM)
    return urls[tool]


def _step(step: Provisioner) -> wire.Step:
    match step:
        case ShellStep():
            return wire.Step(kind="shell", path=step.script, env=dict(step.env))
        case AnsibleStep():
            return wire.Step(kind="ansible", path=step.playbook)
        case FileStep():
            return wire.Step(kind="file", path=step.path, destination=step.destination)
        case _:
            assert_never(step)


def _served(served: ServedPort) -> wire.JobPort:
    return wire.JobPort(port=served.port, protocol=served.protocol.value, when=served.when.value)


def _volume(volume: Volume) -> wire.JobVolume:
    return wire.JobVolume(mount=volume.mount, gb=volume.gb or 0, share=volume.share or 0)


def _tests(definition: ImageDefinition, floor: ComplianceFloor) -> wire.Tests:
    """The definition's tests. A profile that SecOps requires is scanned even where the definition wants no scan."""
    verify = definition.verify
    wanted = gates.wanted_scan(verify, floor)
    return wire.Tests(
        goss=verify.goss or "",
        smoke=verify.smoke,
        profile="" if wanted is None else wanted.profile,
        tailoring="" if wanted is None else wanted.tailoring or "",
    )


def _tags(build: Build, lease: datetime) -> dict[str, str]:
    return {
        attempts.ATTEMPT_TAG: str(build.attempt),
        attempts.BUILD_TAG: str(build.id),
        attempts.IMAGE_TAG: str(build.image),
        attempts.LEASE_TAG: f"{lease:%Y-%m-%dT%H:%M:%SZ}",
        attempts.STAGE_TAG: build.phase.stage,
    }
