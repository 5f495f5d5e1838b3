"""One attempt of a build: its container group, and the files that it left.

It looks, leaves markers and asks for deletions. The container stage decides what follows.
"""

from dataclasses import dataclass

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, MalformedMessage, NotFound, PermanentError
from pipeline_core.ports import BlobFacts, Blobs, ContainerGroup, Containers
from pipeline_core.wire.job import REPORT_LIMIT, BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The current attempt of a build."""

    blobs: Blobs
    containers: Containers

    def find_group(self, build: Build) -> ContainerGroup | None:
        """The attempt's container group, or None."""
        return self.containers.find_group(attempts.group_of(build))

    def delete_group(self, build: Build) -> None:
        """Start the deletion of the attempt's container group."""
        self.containers.delete_group(attempts.group_of(build))

    def leave(self, build: Build, name: str) -> bool:
        """Leave an empty marker beside the attempt's files; False where the marker exists already."""
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
        """The attempt's report, or None; raises PermanentError where the file is not a report of this attempt."""
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
                ErrorClass.TEMPLATE, f"{text}: a builder wrote to a wrong folder; report this to SecOps"
            )
        return report

    def is_gone(self, build: Build) -> bool:
        """True where no group of this attempt is left. In the verify stage, the build stage's group is gone too.

        The verify stage may begin while Azure still deletes the build stage's group. The factory gives the slot
        of both stages back, or tries a stage again, only when all groups are confirmed gone.
        """
        names = [attempts.group_of(build)]
        if build.phase is Phase.VERIFYING:
            names.append(attempts.build_group_of(build))
        return not any(self._delete_again(name) for name in names)

    def _delete_again(self, name: str) -> bool:
        """True where the group still exists. Then ask for its deletion again, which does no harm."""
        if self.containers.find_group(name) is None:
            return False
        self.containers.delete_group(name)
        return True
