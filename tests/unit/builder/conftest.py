"""One builder on a folder: `run(job, build)` runs an attempt and tells what is left of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from builder.attempt import Attempt, BuilderExit
from builder.stop import StopRequest
from builder.work import AttemptContext
from pipeline_core.wire import blob_token
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import BuildReport
from tests.unit.builder import samples
from tests.unit.builder.fakes import FolderBlobs, FolderEvents

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an attempt left behind."""

    exit: BuilderExit
    blobs: FolderBlobs
    events: FolderEvents
    place: str
    work: Path
    token: str
    echoed: str  # the container's own output

    @property
    def report(self) -> BuildReport:
        return BuildReport.from_wire(self.blobs.text(f"{self.place}/result.json").encode())

    @property
    def log(self) -> str:
        return self.blobs.text(f"{self.place}/log.txt")


class Run(Protocol):
    def __call__(
        self,
        job: BuildJob,
        build: str,
        *,
        bundle: bytes = ...,
        platform: bytes = ...,
        until: datetime = ...,
        **packer: str,
    ) -> Left: ...


@pytest.fixture
def run(tmp_path: Path) -> Run:
    root = tmp_path / "storage"
    count = iter(range(100))

    def act(
        job: BuildJob,
        build: str,
        *,
        bundle: bytes = samples.BUNDLE_CONTENT,
        platform: bytes = samples.PLATFORM_CONTENT,
        until: datetime = NOW + timedelta(hours=12),
        **packer: str,
    ) -> Left:
        samples.store(root, job, bundle, platform)
        echoed: list[str] = []
        work = tmp_path / f"work-{next(count)}"
        work.mkdir()
        program = samples.write_packer(tmp_path, build, **packer)
        token = samples.token_for(job, until)
        blobs, events = FolderBlobs(root, blob_token.from_wire(token)), FolderEvents(root)
        context = AttemptContext(
            blobs=blobs,
            events=events,
            stop=StopRequest(),
            now=lambda: NOW,
            echo=echoed.append,
            environ={
                "PATH": "/usr/bin:/bin",
                "IDENTITY_HEADER": "the-identity-header",
                "PKR_VAR_x": "1",
                blob_token.VARIABLE: token,
            },
            folder=work,
        )
        code = Attempt(samples.settings_for(job, program, token), context).run()
        place = f"{job.build}/{job.stage}-{job.attempt}"
        return Left(
            exit=code,
            blobs=blobs,
            events=events,
            place=place,
            work=work,
            token=token,
            echoed="\n".join(echoed),
        )

    return act
