"""One attempt of a build: its container group, and the files that it left.

It looks, leaves markers and asks for deletions; what follows from that is the container stage's to decide.
"""

from dataclasses import dataclass

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, MalformedMessage, NotFound, PermanentError
from pipeline_core.ports import BlobFacts, Blobs, ContainerGroup, Containers
from pipeline_core.wire.job import REPORT_LIMIT, BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The attempt that a build is at."""

    blobs: Blobs
    containers: Containers

    def find_group(self, build: Build) -> ContainerGroup | None:
        """The attempt's container group, or None."""
        return self.containers.find_group(attempts.group_of(build))

    def delete_group(self, build: Build) -> None:
        """Start the deletion of the attempt's container group."""
        self.containers.delete_group(attempts.group_of(build))

    def leave(self, build: Build, name: str) -> bool:
        """Leave an empty marker beside the attempt's files; False where it is there already."""
        try:
            self.blobs.create(
                "builds", f"{attempts.folder_of(build)}/{name}", b"{}", media_type="application/json"
            )
        except AlreadyExists:
            return False
        return True

    def find_facts(self, build: Build, name: str) -> BlobFacts | None:
        """Size and time of a file that the attempt left, or None."""
        return self.blobs.find_facts("builds", f"{attempts.folder_of(build)}/{name}")

    def find_report(self, build: Build) -> BuildReport | None:
        """The attempt's report, or None; raises PermanentError where it is no report of this attempt."""
        folder = attempts.folder_of(build)
        try:
            content = self.blobs.read("builds", f"{folder}/{attempts.REPORT}", limit=REPORT_LIMIT)
        except NotFound:
            return None
        try:
            report = BuildReport.from_wire(content)
        except MalformedMessage as error:
            raise PermanentError(ErrorClass.TEMPLATE, f"{folder}/{attempts.REPORT}: {error}") from error
        if folder != attempts.folder(report.build, report.stage, report.attempt):
            text = f"{folder}/{attempts.REPORT} is of {report.build[:100]}, {report.stage} {report.attempt}"
            raise PermanentError(
                ErrorClass.TEMPLATE, f"{text}: a builder wrote where it should not; tell SecOps"
            )
        return report

    def is_gone(self, build: Build) -> bool:
        """True where no group of this attempt is left, nor, in the verify stage, the build stage's one.

        The verify stage may begin while the build stage's group is still being deleted; the slot that both
        used is given back, and a stage is tried again, only when everything is confirmed gone.
        """
        names = [attempts.group_of(build)]
        if build.phase is Phase.VERIFYING:
            names.append(attempts.build_group_of(build))
        return not any(self._delete_again(name) for name in names)

    def _delete_again(self, name: str) -> bool:
        """True where the group is still there; its deletion is asked for again, which does no harm."""
        if self.containers.find_group(name) is None:
            return False
        self.containers.delete_group(name)
        return True
