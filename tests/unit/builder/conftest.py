"""One builder on a folder: `run(job, build)` runs an attempt and tells what is left of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from builder.attempt import Attempt, BuilderExit
from builder.stop import StopRequest
from builder.work import AttemptContext
from pipeline_core.wire.job import BuildJob, BuildReport
from tests.unit.builder import samples
from tests.unit.builder.fakes import FolderBlobs, FolderEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an attempt left behind."""

    exit: BuilderExit
    blobs: FolderBlobs
    events: FolderEvents
    place: str
    work: Path

    @property
    def report(self) -> BuildReport:
        return BuildReport.from_wire(self.blobs.text(f"{self.place}/result.json").encode())

    @property
    def log(self) -> str:
        return self.blobs.text(f"{self.place}/log.txt")


class Run(Protocol):
    def __call__(self, job: BuildJob, build: str, *, bundle: bytes = ..., **packer: str) -> Left: ...


@pytest.fixture
def run(tmp_path: Path) -> Run:
    root = tmp_path / "storage"
    count = iter(range(100))

    def act(job: BuildJob, build: str, *, bundle: bytes = samples.BUNDLE_CONTENT, **packer: str) -> Left:
        samples.store(root, job, bundle)
        work = tmp_path / f"work-{next(count)}"
        work.mkdir()
        program = samples.write_packer(tmp_path, build, **packer)
        blobs, events = FolderBlobs(root), FolderEvents(root)
        context = AttemptContext(
            blobs=blobs,
            events=events,
            stop=StopRequest(),
            now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC),
            echo=lambda line: None,
            environ={"PATH": "/usr/bin:/bin", "IDENTITY_HEADER": "the-identity-header", "PKR_VAR_x": "1"},
            folder=work,
        )
        code = Attempt(samples.settings_for(job, program), context).run()
        place = f"{job.build}/{job.stage}-{job.attempt}"
        return Left(exit=code, blobs=blobs, events=events, place=place, work=work)

    return act
