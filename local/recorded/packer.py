"""A recorded Packer: Packer's command line and output, and its calls to Azure. All its output says that it is recorded.

It reads a template and makes the calls of a build: it creates a machine, captures it as a gallery version and deletes
the machine. It starts no guest and never runs a command of a template.
"""

import json
import os
import secrets
import signal
import sys
import time
from types import FrameType
from typing import Any

from local import scenario
from local.recorded import template as recorded_template
from local.recorded.build import BuildFailed, Interrupted, Output, RecordedBuild
from local.recorded.cloud import CloudError
from local.recorded.template import Template, TemplateStep
from local.scenario import PackerScenario

VERSION_LINE = "Packer vrecorded (no real Packer: replays a recorded run)"


def main(arguments: list[str]) -> int:
    """The exit code of one command."""
    flags = {word for word in arguments if word.startswith("-")}
    words = [word for word in arguments if not word.startswith("-")]
    command = words[0] if words else "version" if flags & {"-v", "--version", "-version"} else ""
    if command == "version":
        print(VERSION_LINE)
        return 0
    if words[:2] == ["plugins", "installed"]:
        print("recorded/github.com/hashicorp/azure/packer-plugin-azure_vrecorded")
        return 0
    if command not in ("validate", "build") or len(words) != 2:
        print(
            f"{VERSION_LINE}\nUsage: version | plugins installed | validate FILE | build FILE",
            file=sys.stderr,
        )
        return 127
    try:
        template = recorded_template.read(words[1])
    except (OSError, ValueError) as error:
        print(f"Error: Failed to parse the template {words[1]}: {error}")
        return 1
    for error_text in template.errors:
        print(f"Error: {error_text}")
    if template.errors:
        return 1
    if command == "validate":
        print("The configuration is valid. (recorded Packer: a part of the real checks)")
        return 0
    return _build(template, words[1], flags)


def _build(template: Template, path: str, flags: set[str]) -> int:
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    output, began = Output(template.name, flags), time.monotonic()
    output.plain(VERSION_LINE)
    try:
        artifact = RecordedBuild(template, path, output, _scenario(template)).run()
    except Interrupted:
        output.error("Cancelling build after receiving interrupt")
        return _report_failure(output, template.name, began, "build was cancelled")
    except (BuildFailed, CloudError) as error:
        output.error(f"ERROR: -> {error}" if isinstance(error, CloudError) else str(error))
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
