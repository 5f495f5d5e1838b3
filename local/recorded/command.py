"""The command `build` of the recorded Packer: its scenario, its signals, its last lines and its manifest."""

import json
import os
import secrets
import signal
import time
from types import FrameType
from typing import Any

from local import scenario
from local.recorded.build import BuildFailed, Interrupted, Output, RecordedBuild
from local.recorded.cloud import CloudError
from local.recorded.template import Template, TemplateStep
from local.scenario import PackerScenario


def run(template: Template, path: str, flags: set[str], version_line: str) -> int:
    """Build `template`, which was read from `path`. Returns the exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    output, began = Output(template.name, flags), time.monotonic()
    output.plain(version_line)
    try:
        artifact = RecordedBuild(template, path, output, _scenario(template)).run()
    except Interrupted:
        output.error("Cancelling build after receiving interrupt")
        return _report_failure(output, template.name, began, "build was cancelled")
    except (BuildFailed, CloudError) as error:
        for line in error.lines if isinstance(error, CloudError) else [str(error)]:
            output.error(line)
        return _report_failure(output, template.name, began, str(error))
    for step in template.post_processors:
        if step.kind == "manifest" and artifact:
            _write_manifest(step, template.name, artifact)
    output.plain(f"Build '{template.name}' finished after {_elapsed(began)}. (recorded)")
    output.plain("==> Builds finished. The artifacts of successful builds are:")
    output.plain(f"--> {template.name}: Azure.ResourceManagement.VMImage: {artifact or 'no image was made'}")
    if artifact:
        output.fact("artifact", "0", "builder-id", "Azure.ResourceManagement.VMImage")
        output.fact("artifact", "0", "id", artifact)
    return 0


def _report_failure(output: Output, name: str, began: float, reason: str) -> int:
    output.plain(f"Build '{name}' errored after {_elapsed(began)}: {reason}")
    output.fact("error", reason)
    output.plain("==> Some builds didn't complete successfully and had errors:")
    output.plain(f"--> {name}: {reason}")
    output.plain("==> Builds finished but no artifacts were created.")
    return 1


def _scenario(template: Template) -> PackerScenario:
    """This build's scenario: `ok`, or the entry for image, stage and attempt in the file of IF_RECORDED_SCENARIO."""
    tags = template.source.get("azure_tags") or {}
    return scenario.find(
        os.environ.get("IF_RECORDED_SCENARIO", ""),
        tags.get(scenario.IMAGE_TAG) or os.environ.get("IF_BUILD_ID", "").split(".")[0],
        tags.get(scenario.STAGE_TAG) or os.environ.get("IF_STAGE") or "build",
        int(tags.get(scenario.ATTEMPT_TAG) or os.environ.get("IF_ATTEMPT") or 1),
    )


def _write_manifest(step: TemplateStep, name: str, artifact: str) -> None:
    path = str(step.values.get("output") or "packer-manifest.json")
    run = secrets.token_hex(16)
    entry = {
        "name": name.removeprefix("azure-arm."),
        "builder_type": "azure-arm",
        "build_time": int(time.time()),
        "files": None,
        "artifact_id": artifact,
        "packer_run_uuid": run,
        "custom_data": step.values.get("custom_data"),
    }
    content: dict[str, Any] = {"builds": []}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    content = {"builds": [*content["builds"], entry], "last_run_uuid": run}
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=2)


def _elapsed(began: float) -> str:
    milliseconds = int((time.monotonic() - began) * 1000)
    return f"{milliseconds // 1000} seconds {milliseconds % 1000} milliseconds"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted
