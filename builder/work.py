"""The work between marker and report: inputs, template, Packer, results. Writes only into its own folder and
below the attempt's prefix; raises what goes wrong, and reports nothing itself."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder import checks, failures, inputs, provisioners, template
from builder.failures import Failed
from builder.inputs import Inputs
from builder.log_stream import LogStream
from builder.packer import RECORDED, Packer
from builder.ports import Blobs, Events
from builder.redaction import Redactor
from builder.settings import Settings
from builder.stop import StopRequest
from builder.transcript import Transcript
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, PermanentError, TransientError
from pipeline_core.wire.job import BuildJob, ReportedCheck

_TEMPLATE = "template.pkr.json"  # the suffix tells Packer that this is HCL as JSON, not its old format
_TAIL = 3500  # characters of Packer's last lines in a report
_MANIFEST_LIMIT = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that an attempt needs and does not make itself. `folder` is empty and its own."""

    blobs: Blobs
    events: Events
    stop: StopRequest
    now: Callable[[], datetime]
    echo: Callable[[str], None]
    environ: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Packer did all it was asked; whether the checks are good enough is for the gates."""

    artifact: str = ""
    checks: tuple[ReportedCheck, ...] = ()


class Work:
    """One run of Packer on one job. `packer` is its version as soon as it is known, `recorded` for a recorded
    one."""

    def __init__(self, settings: Settings, around: Surroundings, place: str, log: LogStream) -> None:
        self.packer = ""
        self._settings = settings
        self._around = around
        self._place = place
        self._log = log
        self._transcript = Transcript(log, Redactor([around.environ.get("IDENTITY_HEADER", "")]))

    def perform(self) -> Finished | Failed:
        """Raises PermanentError and TransientError; a stop request ends it as an eviction."""
        self._go_on()
        job = inputs.fetch_job(self._around.blobs, self._settings)
        found = inputs.fetch_archives(self._around.blobs, job)
        plan = provisioners.plan(job, found.bundle.names, found.platform.names)
        rendered = template.to_text(template.render(job, plan.blocks))
        self._write(found, plan, rendered)
        self._go_on()
        packer = self._make_packer()
        self.packer = packer.version()
        self._log.say(f"{job.build}, {job.stage} {job.attempt}, by Packer {self.packer}")
        if self.packer == RECORDED:
            self._log.say("this Packer is recorded: no machine is built or tested, all results are simulated")
        failed = self._run(packer, job)
        if failed is not None:
            return failed
        if job.stage == "verify":
            return Finished(checks=self._checks(plan.results))
        return Finished(artifact=self._artifact())

    def _go_on(self) -> None:
        if self._around.stop.requested:
            text = "the container was told to stop before Packer had started"
            raise TransientError(ErrorClass.EVICTION, text)

    def _write(self, found: Inputs, plan: provisioners.Plan, rendered: str) -> None:
        folder = self._around.folder
        catalog = [entry.model_dump() for entry in found.job.catalog]
        (folder / "steps").mkdir()
        for script in plan.scripts:
            (folder / script.file).write_text(script.content, encoding="utf-8")
        (folder / "bundle.tar.gz").write_bytes(found.bundle.content)
        (folder / "platform.tar.gz").write_bytes(found.platform.content)
        (folder / "catalog.json").write_text(json.dumps(catalog, indent=1), encoding="utf-8")
        (folder / _TEMPLATE).write_text(rendered, encoding="utf-8")

    def _make_packer(self) -> Packer:
        return Packer(
            program=self._settings.packer,
            folder=self._around.folder,
            environ=self._around.environ,
            stop=self._around.stop,
            take=self._transcript.add,
        )

    def _run(self, packer: Packer, job: BuildJob) -> Failed | None:
        validated = packer.validate(_TEMPLATE)
        if not validated.succeeded:
            return failures.of_validate(ended=validated.ended, tail=self._transcript.tail(_TAIL))
        built = packer.build(_TEMPLATE, seconds=job.timeout_seconds)
        if built.succeeded:
            return None
        return failures.of_build(
            ended=built.ended,
            stage=job.stage,
            connected=self._transcript.connected,
            text=self._transcript.text,
            tail=self._transcript.tail(_TAIL),
            seconds=job.timeout_seconds,
        )

    def _artifact(self) -> str:
        """The version that Packer made, by its manifest, which is kept."""
        content = self._result(Path("manifest.json"), _MANIFEST_LIMIT)
        if content is None:
            raise PermanentError(ErrorClass.TEMPLATE, "Packer succeeded without a manifest of what it made")
        self._keep("manifest.json", content)
        try:
            artifact = json.loads(content)["builds"][-1]["artifact_id"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            raise PermanentError(
                ErrorClass.TEMPLATE, f"Packer's manifest cannot be read: {error!r}"
            ) from error
        if not isinstance(artifact, str) or not artifact:
            raise PermanentError(ErrorClass.TEMPLATE, "Packer's manifest names no image version")
        return artifact

    def _checks(self, names: tuple[str, ...]) -> tuple[ReportedCheck, ...]:
        files: dict[str, bytes] = {}
        for name in names:
            content = self._result(Path("results") / name, checks.RESULT_LIMIT)
            if content is None:
                self._log.say(f"the result {name} is missing or too large")
                continue
            files[name] = content
            self._keep(name, content)
        return checks.of_verify(files, simulated=self.packer == RECORDED)

    def _result(self, path: Path, limit: int) -> bytes | None:
        file = self._around.folder / path
        if not file.is_file() or file.stat().st_size > limit:
            return None
        return file.read_bytes()

    def _keep(self, name: str, content: bytes) -> None:
        """Evidence beside the report."""
        try:
            self._around.blobs.create(
                "builds", f"{self._place}/{name}", content, media_type="application/json"
            )
        except AlreadyExists as error:
            text = f"{self._place}/{name} was written by somebody else"
            raise PermanentError(ErrorClass.TEMPLATE, text) from error
