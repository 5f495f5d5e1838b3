"""One attempt of a build: its container group, and the files that it left.

It looks, and leaves markers. The container stage decides what follows.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import attempts, azure_codes, blob_rights, platform_call, retry
from pipeline_core.domain.attempts import AttemptGroup
from pipeline_core.domain.azure_code import Occasion
from pipeline_core.domain.builds import Build, Failure, Phase
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    MalformedMessage,
    NotFound,
    Owner,
    PermanentError,
)
from pipeline_core.domain.retry import GiveUp, TryAgain
from pipeline_core.ports import BlobFacts, Blobs, Chance, ContainerGroup, Containers, NewContainerGroup
from pipeline_core.services.builds.deletions import Deletions
from pipeline_core.services.outages import successes
from pipeline_core.services.outages.outages import Excused, Outages, Paused
from pipeline_core.state.capacity import SlotReleased
from pipeline_core.wire.report import REPORT_LIMIT, BuildReport

_LAUNCHES = 5000  # a creation that waits for quota leaves one each half hour
_MESSAGE = 4000  # characters of a failure that are kept
_TOKEN_ENDED = f"exit code {blob_rights.ENDED_EXIT}"  # as `ContainerGroup.detail` begins
_NO_IMAGE = "Failed to pull image"  # an event without a code; learn container-instances-troubleshooting
_MARKER_LIMIT = 16 * 1024  # bytes; a marker's text is one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The current attempt of a build."""

    blobs: Blobs
    containers: Containers
    deletions: Deletions
    outages: Outages
    chance: Chance

    def find_group(self, build: Build) -> ContainerGroup | None:
        """The attempt's container group, or None."""
        return self.containers.find_group(attempts.group_of(build))

    def create_group(self, new: NewContainerGroup) -> None:
        """Create the group, by one call. The caller has just looked for it and not found it."""
        self.containers.create_group(new)

    def delete_group(self, build: Build) -> timedelta:
        """Ask for the deletion of the attempt's container group, as `Deletions.begin`."""
        return self.deletions.begin(build)

    def clear(self, build: Build) -> timedelta | None:
        """Ask for the deletion of every group that is left; None where none is, as `Deletions.clear`."""
        return self.deletions.clear(build)

    def find_group_of_build(self, build: Build) -> AttemptGroup | None:
        """The group that built, in the first attempt to verify: where it is still to be deleted, else None."""
        is_next = build.phase is Phase.VERIFYING and build.attempt == 1
        return self.deletions.find_unasked(build) if is_next else None

    def delete_paid(self, build: Build, group: AttemptGroup) -> None:
        """Ask for its deletion, as `Deletions.ask_paid`."""
        self.deletions.ask_paid(build, group)

    def leave(self, build: Build, name: str, text: str = "") -> bool:
        """Leave a marker, perhaps with a text, beside the attempt's files; False where the marker exists already."""
        content = json.dumps({"text": text} if text else {}).encode()
        try:
            self.blobs.create(
                "builds", f"{attempts.folder_of(build)}/{name}", content, media_type="application/json"
            )
        except AlreadyExists:
            return False
        return True

    def launches(self, build: Build) -> list[datetime]:
        """When handlers were about to create the attempt's group. The newest counts."""
        listed = self.blobs.list("builds", f"{attempts.folder_of(build)}/{attempts.LAUNCH}", limit=_LAUNCHES)
        return [facts.changed_at for facts in listed]

    def find_text(self, build: Build, name: str) -> str:
        """The text of a marker; empty where there is no marker, or none that can be read."""
        try:
            content = self.blobs.read("builds", f"{attempts.folder_of(build)}/{name}", limit=_MARKER_LIMIT)
            found = json.loads(content)
        except (NotFound, PermanentError, ValueError):  # ValueError: it is not JSON
            return ""
        text = found.get("text") if isinstance(found, dict) else None
        return " ".join(text.split()) if isinstance(text, str) else ""

    def loss_of(self, build: Build, *, has_begun: bool) -> Failure:
        """The failure of an attempt that is gone without a report: first the cause, where the platform named one."""
        text = "the container group never began to run"
        error_class = ErrorClass.CAPACITY
        if has_begun:
            text = "the container ended, fell silent or ran out of time without a report; its log is kept"
            error_class = ErrorClass.EVICTION
        cause = self.find_text(build, attempts.GIVEN_UP)
        if cause.partition(" | ")[0] == _TOKEN_ENDED:
            text = "the container's token for its files had ended before it could report; each attempt gets a new one"
            return Failure(error_class=ErrorClass.TOKEN, message=text, owner=Owner.PLATFORM)
        named = azure_codes.find_in_text(cause, Occasion.CALL)
        if named is not None and named.error_class is not None:
            error_class = named.error_class
        elif _NO_IMAGE in cause:
            error_class = ErrorClass.REGISTRY
        return Failure(error_class=error_class, message=(f"{cause}: {text}" if cause else text)[:_MESSAGE])

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

    def next_try(
        self, build: Build, failure: Failure, *, has_begun: bool
    ) -> TryAgain | GiveUp | Paused | Excused:
        """What follows a failed attempt. Only a failure of the team uses up tries for good.

        A lack of quota or capacity is waited for without a limit. Any other failure that no team owns counts towards
        the platform breaker from the second attempt on, at once where it is permanent.
        """
        chance = self.chance.fraction()
        if failure.error_class.only_waits:
            return retry.wait(failure.error_class, build.attempt, chance)
        decision = retry.next_attempt(failure.error_class, build.attempt, chance)
        if isinstance(decision, TryAgain) and (build.attempt == 1 or failure.is_of_team):
            return decision
        call = platform_call.call_of(build.phase, has_group=True, has_begun=has_begun)
        return self.outages.meet(build, failure, call, of_call=False) or decision

    def note_success(self, build: Build, released: SlotReleased) -> None:
        """The build has passed its last check in a container. What that says of the platform, as `successes.note`."""
        successes.note(self.outages, build, released)
