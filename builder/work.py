"""The work between marker and report: inputs, template, Packer, results.

It writes only into its own folder and below the attempt's prefix. It raises errors, and reports nothing itself.
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from builder import inputs
from builder.credential import TokenEnded, secrets_of
from builder.inputs import Inputs
from builder.log.redaction import Redactor
from builder.log.stream import LogStream
from builder.log.transcript import Transcript
from builder.packer import failures, manifest, ports, provisioners, template
from builder.packer.command import RECORDED, Packer
from builder.packer.failures import PackerFailure
from builder.packer.progress import StepProgress
from builder.ports import Blobs, Events
from builder.results import checks, sbom
from builder.results import ports as ports_found
from builder.results.evidence import EvidenceFolder
from builder.settings import BuilderSettings
from builder.stop import StopRequest
from pipeline_core.domain import attempts, blob_rights
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError, TransientError
from pipeline_core.wire import packages as reported
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import ReportedCheck, ReportedScan

_TEMPLATE = "template.pkr.json"  # the suffix tells Packer that this is HCL as JSON, not its old format
_TAIL = 3500  # characters of Packer's last lines in a report


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptContext:
    """Everything that an attempt needs and does not make itself. `folder` is empty, and only this attempt uses it."""

    blobs: Blobs
    events: Events
    stop: StopRequest
    now: Callable[[], datetime]
    echo: Callable[[str], None]
    environ: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Packer ended with success. The gates decide whether the checks are good enough."""

    artifact: str = ""
    checks: tuple[ReportedCheck, ...] = ()
    scan: ReportedScan | None = None


class Work:
    """One run of Packer on one job.

    `packer` is Packer's version as soon as it is known, `recorded` for a recorded Packer. `evidence` lists the kept
    files, also after a failure.
    """

    def __init__(
        self, settings: BuilderSettings, context: AttemptContext, place: str, log: LogStream
    ) -> None:
        self.packer = ""
        self.evidence = EvidenceFolder(context.blobs, place)
        self._settings = settings
        self._context = context
        self._log = log
        self._transcript = Transcript(log, Redactor(secrets_of(context.environ)))

    def perform(self) -> Finished | PackerFailure:
        """Raises PermanentError and TransientError. A stop request ends it with the error class `eviction`."""
        self._go_on()
        job = inputs.fetch_job(self._context.blobs, self._settings)
        self._demand_time(job)
        found = inputs.fetch_archives(self._context.blobs, job)
        plan = provisioners.plan(
            job,
            found.bundle.names,
            found.platform.names,
            secrets.token_hex(8),
            ports.program(),
            found.variables,
        )
        rendered = template.to_text(template.render(job, plan.blocks, self._settings.credential))
        self._write(found, plan, rendered)
        inputs.fetch_tools(self._context.blobs, job, self._context.folder / provisioners.TOOLS)
        self._go_on()
        progress = StepProgress(plan.steps)
        packer = self._make_packer(progress)
        self.packer = packer.version()
        self._log.say(f"{job.build}, {job.stage} {job.attempt}, by Packer {self.packer}")
        if self.packer == RECORDED:
            self._log.say("this Packer is recorded: no machine is built or tested, all results are simulated")
        failed = self._run(packer, job, progress)
        if failed is not None:
            return failed
        if job.stage == "verify":
            files = self._keep_results(plan.results)
            self._keep_sbom(job)
            is_recorded = self.packer == RECORDED
            results = checks.of_verify(files, job.tests, simulated=is_recorded)
            answer = self._result(Path(ports_found.FOUND), ports_found.LIMIT)
            tried = ports_found.check(job, found.platform.names, answer, simulated=is_recorded)
            return Finished(
                checks=results.checks if tried is None else (*results.checks, tried), scan=results.scan
            )
        return Finished(artifact=self._artifact(job))

    def _demand_time(self, job: BuildJob) -> None:
        """An attempt that could not report at its end must not begin: raises TokenEnded."""
        token, now = self._settings.token, self._context.now()
        needed = blob_rights.needed_for(job.stage, timedelta(seconds=job.timeout_seconds))
        if token is not None and now + needed > token.until:
            text = (
                f"the container began to run at {now:%Y-%m-%d %H:%M} UTC, too late: its token for blobs ends at "
                f"{token.until:%Y-%m-%d %H:%M} UTC, and the stage may take {needed}. Each attempt gets a new one"
            )
            raise TokenEnded(text)

    def _go_on(self) -> None:
        if self._context.stop.requested:
            text = "the container was stopped before Packer had started"
            raise TransientError(ErrorClass.EVICTION, text)

    def _write(self, found: Inputs, plan: provisioners.ProvisionPlan, rendered: str) -> None:
        folder = self._context.folder
        catalog = [entry.model_dump() for entry in found.job.catalog]
        (folder / "steps").mkdir()
        (folder / provisioners.TOOLS).mkdir()
        for script in plan.scripts:
            (folder / script.file).write_text(script.content, encoding="utf-8")
        (folder / "bundle.tar.gz").write_bytes(found.bundle.content)
        (folder / "platform.tar.gz").write_bytes(found.platform.content)
        (folder / "catalog.json").write_text(json.dumps(catalog, indent=1), encoding="utf-8")
        asked = ports_found.question(found.job, found.platform.names)
        (folder / ports_found.ASKED).write_text(json.dumps(asked, indent=1), encoding="utf-8")
        (folder / _TEMPLATE).write_text(rendered, encoding="utf-8")

    def _make_packer(self, progress: StepProgress) -> Packer:
        def take(lines: Sequence[str]) -> None:
            progress.take(lines)
            self._transcript.add(lines)

        return Packer(
            program=self._settings.packer,
            folder=self._context.folder,
            environ=self._context.environ,
            stop=self._context.stop,
            take=take,
            about_to_end=progress.stop,
        )

    def _run(self, packer: Packer, job: BuildJob, progress: StepProgress) -> PackerFailure | None:
        validated = packer.validate(_TEMPLATE)
        if not validated.succeeded:
            return failures.of_validate(
                ended=validated.ended, exit_code=validated.exit_code, tail=self._transcript.tail(_TAIL)
            )

        def limit() -> float:
            # The definition's time is for its steps. Azure's time for what follows is not the team's.
            more = attempts.AFTER_STEPS[job.stage].total_seconds() if progress.has_ended else 0.0
            return job.timeout_seconds + more

        built = packer.build(_TEMPLATE, limit=limit)
        if built.succeeded:
            return None
        failure = failures.of_build(
            ended=built.ended,
            exit_code=built.exit_code,
            stage=job.stage,
            connected=self._transcript.connected,
            text=self._transcript.text,
            tail=self._transcript.tail(_TAIL),
            seconds=round(limit()),
            vm_size=job.placement.vm_size,
            step=progress.step,
            after_steps=progress.has_ended,
        )
        return failures.naming_plan(failure, job.plan)

    def _artifact(self, job: BuildJob) -> str:
        """The version that Packer made, from its manifest. The manifest is kept as evidence."""
        content = self._result(Path(blob_rights.MANIFEST), manifest.LIMIT)
        if content is not None:
            self.evidence.keep(blob_rights.MANIFEST, content)
        return manifest.version_of(content, job)

    def _keep_sbom(self, job: BuildJob) -> None:
        packages = self._result(Path("results") / reported.PACKAGES_FILE, checks.RESULT_LIMIT)
        if packages is None:
            text = f"{job.image}: {reported.PACKAGES_FILE} is missing or too large: no SBOM can be made"
            raise PermanentError(ErrorClass.TEMPLATE, text, owner=Owner.PLATFORM)
        self.evidence.keep(reported.SBOM_FILE, sbom.render(job, packages, self._context.now()))

    def _keep_results(self, names: tuple[str, ...]) -> dict[str, bytes]:
        """The guest's result files, unchanged. Each is kept before it is read."""
        files: dict[str, bytes] = {}
        for name in names:
            content = self._result(Path("results") / name, checks.limit(name))
            if content is None:
                self._log.say(f"the result {name} is missing or too large")
                continue
            files[name] = content
            self.evidence.keep(name, content)
        return files

    def _result(self, path: Path, limit: int) -> bytes | None:
        file = self._context.folder / path
        if not file.is_file() or file.stat().st_size > limit:
            return None
        return file.read_bytes()
