"""One attempt of one stage, from its marker to its one report. Decides what is reported, and that there is one report.

The marker comes first. A container that was restarted reports that and changes nothing else.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum, unique
from typing import Literal

from builder.credential import secrets_of
from builder.log.redaction import Redactor
from builder.log.stream import LogStream
from builder.packer.failures import MESSAGE_LIMIT, PackerFailure
from builder.settings import BuilderSettings
from builder.work import AttemptContext, Finished, Work
from pipeline_core.domain import attempts, blob_rights
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    Owner,
    PermanentError,
    StaleWrite,
    TransientError,
)
from pipeline_core.domain.names import BuildId
from pipeline_core.wire.messages import BuildEventMessage
from pipeline_core.wire.report import BuildReport, ReportedEvidence, ReportedScope


@unique
class BuilderExit(IntEnum):
    """The exit code of the builder. It says whether there is a report, never what the report says.

    Azure may start a container again that ended with another code than 0, although the restart policy is `Never`
    (learn, container-instances-restart-policy, "Restart behavior with nonzero exit codes"). So a container with
    nothing left to do ends with 0. The other codes are for ends that no file tells: only the code shows them, and a
    new start does no harm.
    """

    DONE = 0  # the report is written, or this attempt has run before
    UNREPORTED = 1  # no report could be written; if not even the marker was written, a new start may do it
    UNUSABLE = 2  # the environment is wrong: it is not known where to report, and nothing was changed
    TOKEN_ENDED = blob_rights.ENDED_EXIT  # the token for blobs has ended, so no report could be written


class Attempt:
    """One run of this container."""

    def __init__(self, settings: BuilderSettings, context: AttemptContext) -> None:
        self._settings = settings
        self._context = context
        self._place = attempts.folder(BuildId(settings.build), settings.stage, settings.attempt)
        self._packer = ""
        self._evidence: tuple[ReportedEvidence, ...] = ()
        self._secrets = secrets_of(context.environ)

    def run(self) -> BuilderExit:
        """Raises FactoryError only where marker or report could not be written at all."""
        started = self._context.now()
        if not self._claim(started):
            self._context.echo("imagefactory: this attempt has run before; the container was restarted")
            self._send("restarted")
            return BuilderExit.DONE
        report = self._report(started, self._outcome())
        try:
            self._context.blobs.create(
                "builds", f"{self._place}/{attempts.REPORT}", report.to_wire(), media_type="application/json"
            )
        finally:
            # Also without a report: the factory reads the event and then looks for the report itself.
            self._send("completed")
        return BuilderExit.DONE

    def _claim(self, started: datetime) -> bool:
        """Write the marker. Its nonce distinguishes a first write with a lost answer from another container's
        marker."""
        marker = {"nonce": uuid.uuid4().hex, "started_at": started.isoformat()}
        try:
            self._context.blobs.create(
                "builds",
                f"{self._place}/{attempts.STARTED}",
                json.dumps(marker).encode(),
                media_type="application/json",
            )
        except AlreadyExists:
            return False
        return True

    def _outcome(self) -> Finished | PackerFailure:
        """How the attempt ended. It catches every exception, so that each one is reported."""
        try:
            with LogStream(
                self._context.blobs, f"{self._place}/{attempts.LOG}", echo=self._context.echo
            ) as log:
                outcome = self._work(log)
                if isinstance(outcome, PackerFailure):
                    log.say(f"failed: {outcome.error_class.value}: {outcome.message.splitlines()[0]}")
                else:
                    log.say("succeeded")
            return outcome
        except FactoryError as error:  # from the log itself
            return _failed(error, self._secrets)

    def _work(self, log: LogStream) -> Finished | PackerFailure:
        work = Work(self._settings, self._context, self._place, log)
        try:
            return work.perform()
        except Exception as error:  # the edge of the program: log and report name the error
            return _failed(error, self._secrets)
        finally:
            self._packer = work.packer
            self._evidence = work.evidence.listed

    def _report(self, started: datetime, outcome: Finished | PackerFailure) -> BuildReport:
        report = BuildReport(
            build=self._settings.build,
            stage="verify" if self._settings.stage == "verify" else "build",
            attempt=self._settings.attempt,
            succeeded=isinstance(outcome, Finished),
            packer=self._packer,
            started_at=started,
            ended_at=self._context.now(),
            evidence=self._evidence,
        )
        if isinstance(outcome, Finished):
            found = {"artifact": outcome.artifact, "checks": outcome.checks, "scan": outcome.scan}
            return report.model_copy(update=found)
        failed = {
            "error_class": outcome.error_class,
            "message": outcome.message,
            "owner": outcome.owner,
            "permanent": outcome.permanent,
            "scope": None if outcome.scope is None else ReportedScope.of(outcome.scope),
            "after_steps": outcome.after_steps,
        }
        return report.model_copy(update=failed)

    def _send(self, kind: Literal["completed", "restarted"]) -> None:
        event = BuildEventMessage(
            build=self._settings.build,
            stage="verify" if self._settings.stage == "verify" else "build",
            attempt=self._settings.attempt,
            kind=kind,
            traceparent=self._settings.traceparent,
        )
        try:
            self._context.events.send(event.to_wire())
        except FactoryError as error:
            # The event is only a hint: the factory looks for the report by itself, a moment later.
            self._context.echo(f"imagefactory: the event was not sent: {error}")


def _failed(error: Exception, secrets: Sequence[str]) -> PackerFailure:
    if isinstance(error, PermanentError | TransientError):
        owner = error.owner if isinstance(error, PermanentError) else None
        if owner is None and error.error_class is ErrorClass.TEMPLATE:
            owner = Owner.PLATFORM  # job, template and manifest are the factory's own
        text = _clean(str(error), secrets)
        return PackerFailure(error_class=error.error_class, message=text, owner=owner, scope=error.scope)
    if isinstance(error, StaleWrite):
        # A blob was replaced while it was read. A new attempt reads the new content.
        return PackerFailure(error_class=ErrorClass.CONFLICT, message=_clean(str(error), secrets))
    # An OSError is, for example, a full disk. Any other error is a fault of the builder, which no retry repairs.
    error_class = ErrorClass.NETWORK if isinstance(error, OSError) else ErrorClass.TEMPLATE
    text = f"the builder failed unexpectedly: {type(error).__name__}: {error}"
    return PackerFailure(error_class=error_class, message=_clean(text, secrets), owner=Owner.PLATFORM)


def _clean(text: str, secrets: Sequence[str]) -> str:
    redactor = Redactor(secrets)
    return "\n".join(redactor.clean(line) for line in text.splitlines())[:MESSAGE_LIMIT]
