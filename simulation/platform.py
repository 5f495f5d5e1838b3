"""What Azure and the builder do in a simulated world: containers run, report, and leave versions behind."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.names import BuildId, GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, GroupState, VersionState
from pipeline_core.wire import messages
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, BuildReport, ReportedCheck, attempt_folder

_CHECKS = ("boot", "hygiene", "goss", "smoke", "compliance")
_STAGE = {"build": timedelta(minutes=8), "verify": timedelta(minutes=4)}
_JITTER = 0.3  # of a stage's duration, either way


@dataclass(slots=True, kw_only=True)
class Platform:
    """Runs the containers that the factory created; `failing` names images whose stage fails for good."""

    ports: MemoryPorts
    chance: random.Random
    quarantine: GalleryName
    failing: Mapping[tuple[str, str], str] = field(default_factory=dict)
    killed: float = 0.0  # share of containers that vanish without a report
    _ends: dict[str, datetime] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def next_end(self) -> datetime | None:
        """When the next container ends; None where none runs."""
        self._notice()
        return min(self._ends.values(), default=None)

    def advance(self) -> None:
        """End the containers whose time has come."""
        self._notice()
        now = self.ports.clock.now()
        for name in sorted(name for name, end in self._ends.items() if end <= now):
            del self._ends[name]
            self._done.add(name)
            if name in self.ports.containers.names():
                self._end(name)

    def _notice(self) -> None:
        """Containers that were created since start now; each leaves the marker of its attempt."""
        for name in self.ports.containers.names():
            if name in self._ends or name in self._done:
                continue
            job = self._job(name)
            folder = _folder(job)
            self.ports.blobs.create("builds", f"{folder}/started.json", b"{}", media_type="application/json")
            self.ports.containers.set_state(name, GroupState.RUNNING)
            spread = 1 + _JITTER * (2 * self.chance.random() - 1)
            self._ends[name] = self.ports.clock.now() + _STAGE[job.stage] * spread

    def _end(self, name: str) -> None:
        job = self._job(name)
        if self.chance.random() < self.killed:
            self.ports.containers.set_state(name, GroupState.FAILED, exit_code=137)
            return
        report = self._report(job)
        if report.succeeded and job.stage == "build":
            self.ports.galleries.add_version(
                GalleryImageVersion(
                    gallery=self.quarantine,
                    image=ImageName(job.image),
                    version=GalleryVersion.parse(job.destination.version),
                    state=VersionState.READY,
                    excluded_from_latest=True,
                    tags=job.tags,
                )
            )
        folder = _folder(job)
        self.ports.blobs.create(
            "builds", f"{folder}/result.json", report.to_wire(), media_type="application/json"
        )
        event = messages.BuildEventMessage(
            build=job.build, stage=job.stage, attempt=job.attempt, kind="completed"
        )
        self.ports.queues.send(messages.BUILD_EVENTS, event.to_wire())
        state = GroupState.SUCCEEDED if report.succeeded else GroupState.FAILED
        self.ports.containers.set_state(name, state, exit_code=0 if report.succeeded else 1)

    def _report(self, job: BuildJob) -> BuildReport:
        now = self.ports.clock.now()
        failed_check = self.failing.get((job.image, job.stage), "")
        checks = tuple(
            ReportedCheck(
                name=name,
                passed=name != failed_check,
                score=(50.0 if name == failed_check else 95.0) if name == "compliance" else None,
                simulated=True,
            )
            for name in _CHECKS
        )
        broken = job.stage == "build" and bool(failed_check)
        return BuildReport.model_validate(
            {
                "build": job.build,
                "stage": job.stage,
                "attempt": job.attempt,
                "succeeded": not broken,
                "packer": "simulated",
                "started_at": now,
                "ended_at": now,
                "artifact": f"versions/{job.destination.version}" if job.stage == "build" else "",
                "checks": checks if job.stage == "verify" else (),
                "error_class": failed_check if broken else None,
                "message": "the simulated provisioner failed" if broken else "",
            }
        )

    def _job(self, name: str) -> BuildJob:
        digest = self.ports.containers.wanted(name).environment["IF_JOB"]
        content = self.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT)
        return BuildJob.from_wire(content, digest=digest)


def _folder(job: BuildJob) -> str:
    return attempt_folder(BuildId(job.build), job.stage, job.attempt)
