"""The jobs that the simulated platform was given, for chapters that judge a version by what really built it."""

import contextlib
from collections.abc import Iterator

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.ports import NewContainerGroup
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.wire.job import BuildJob
from simulation import rows


class SeenJobs:
    """Every job of a container that was created, by version and stage. A later attempt makes another version."""

    def __init__(self, twins: MemoryPorts) -> None:
        self._twins = twins
        self._jobs: dict[tuple[str, str, str], BuildJob] = {}

    def add(self, new: NewContainerGroup) -> BuildJob:
        """Note the job of a group that was just created."""
        digest = new.environment["IF_JOB"]
        job = rows.job_of(self._twins.blobs, digest)
        self._jobs[job.image, job.destination.version, job.stage] = job
        return job

    def find(self, head: ImageHead, stage: str) -> BuildJob | None:
        """The job of this stage that the image's current version came from; None where it has none."""
        if head.current is None:
            return None
        shown = self._twins.galleries.find_version(head.registration.gallery, head.name, head.current.version)
        job = self._jobs.get((str(head.name), str(head.current.version), stage))
        return job if job is not None and shown is not None and shown.tags[BUILD_TAG] == job.build else None


def heads_of(twins: MemoryPorts) -> Iterator[ImageHead]:
    """The heads of all images, as they are stored. One that cannot be read now is left out."""
    images = ImageStore(twins.tables)
    for copy in Index(twins.tables).heads():
        with contextlib.suppress(UnreadableRow):
            stored = images.find_head(copy.name)
            if stored is not None:
                yield stored.value


def judged_at_rest(twins: MemoryPorts) -> Iterator[ImageHead]:
    """The heads of images that nobody has suspended: only those must be as they are registered."""
    return (head for head in heads_of(twins) if not head.registration.suspend)
