"""Tools of the catalog come from the factory's own storage to the guest, and no step has to ask a vendor."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builder.packer import guest, provisioners
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.wire.job import BuildJob
from tests.unit.builder import samples
from tests.unit.builder.conftest import Run

TOOL = samples.TOOL
PLATFORM = samples.PLATFORM_WITH_TOOL


def with_tool(made: BuildJob, **tools: Any) -> BuildJob:
    return made.model_copy(update={"platform": samples.digest_of(PLATFORM), **tools})


def stored(root: Path, content: bytes = samples.TOOL_CONTENT) -> None:
    """The blob of the tool, where the factory has admitted it."""
    folder = root / "storage" / "catalog"
    folder.mkdir(parents=True)
    (folder / TOOL.sha256).write_bytes(content)


def plan_of(job: BuildJob) -> provisioners.ProvisionPlan:
    return provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))


@pytest.mark.process
def test_packer_finds_the_file_beside_the_template_and_the_guest_its_name(run: Run, tmp_path: Path) -> None:
    stored(tmp_path)
    job = with_tool(samples.root_job(), catalog=(TOOL,))
    left = run(job, f"{samples.GOOD_BUILD}; cp -r tools catalog.json {tmp_path}", platform=PLATFORM)
    assert left.report.succeeded, left.report.message
    assert (tmp_path / "tools" / TOOL.sha256).read_bytes() == samples.TOOL_CONTENT
    (entry,) = json.loads((tmp_path / "catalog.json").read_text("utf-8"))
    assert (entry["id"], entry["file"], entry["sha256"]) == (TOOL.id, TOOL.file, TOOL.sha256)
    assert entry["url"] == TOOL.url  # platform steps of the release before read it


@pytest.mark.process
def test_a_file_with_another_content_never_reaches_packer(run: Run, tmp_path: Path) -> None:
    stored(tmp_path, b"another")
    job = with_tool(samples.root_job(), catalog=(TOOL,))
    left = run(job, f"touch {tmp_path}/ran", platform=PLATFORM)
    assert not (tmp_path / "ran").exists()
    assert (left.report.error_class, left.report.owner) == (ErrorClass.POLICY, Owner.PLATFORM)
    assert not left.report.failure().is_of_team


@pytest.mark.process
def test_a_file_that_is_not_there_ends_the_attempt_before_packer(run: Run, tmp_path: Path) -> None:
    """The factory waits for the file then: the class must be the one that it looks for, and the team not at fault."""
    job = with_tool(samples.root_job(), catalog=(TOOL,))
    left = run(job, f"touch {tmp_path}/ran", platform=PLATFORM)
    assert not (tmp_path / "ran").exists()
    assert left.report.error_class is ErrorClass.UNKNOWN
    assert not left.report.failure().is_of_team
    assert f"{TOOL.id} {TOOL.version}" in left.report.message
    assert "`imagefactory catalog list --missing` names it, and SecOps submits it" in left.report.message


@pytest.mark.parametrize("stage", ["build", "verify"])
def test_a_file_is_sent_once_before_the_first_step_that_can_need_it(stage: str) -> None:
    made = samples.root_job(tools=(TOOL,)) if stage == "build" else samples.verify_job(tools=(TOOL,))
    plan = plan_of(made)
    blocks: list[dict[str, Any]] = [dict(block) for block in plan.blocks]
    upload = {"file": {"source": f"tools/{TOOL.sha256}", "destination": guest.tool_upload(TOOL.sha256)}}
    assert blocks.count(upload) == 1
    # A restart would lose it: it comes with the last preparation.
    scripts = [block["shell"]["script"] for block in blocks if "shell" in block]
    prepared = [each for each in scripts if each.endswith("-prepare.sh")]
    follows = next(block["shell"]["script"] for block in blocks[blocks.index(upload) :] if "shell" in block)
    assert follows == prepared[-1]
    texts = {script.file: script.content for script in plan.scripts}
    assert [TOOL.sha256 in texts[each] for each in prepared] == [False] * (len(prepared) - 1) + [True]


def test_the_platforms_scripts_know_where_the_files_are_and_a_teams_do_not() -> None:
    texts = {script.file.split("-", 1)[1]: script.content for script in plan_of(samples.child_job()).scripts}
    assert f"kept+=(IMAGEFACTORY_TOOLS={guest.TOOLS})" in texts["platform.sh"]
    assert "IMAGEFACTORY_TOOLS" not in texts["shell.sh"]


def test_the_template_does_not_change_where_no_file_is_sent() -> None:
    assert not [block for block in plan_of(samples.child_job()).blocks if "tools/" in json.dumps(block)]


def prepare(folder: Path, content: bytes, free: str = "") -> subprocess.CompletedProcess[str]:
    """Run the guest's script with its places in `folder`, where the file of the tool has been sent."""
    (folder / "imagefactory-catalog.json").write_text("[]", "utf-8")
    (folder / f"imagefactory-tool-{TOOL.sha256}").write_bytes(content)
    (folder / "bin").mkdir()
    if free:
        program = folder / "bin" / "df"
        program.write_text(f"#!/bin/sh\nprintf '    Avail\\n%9s\\n' {free}\n", "utf-8")
        program.chmod(0o755)
    text = guest.prepare("prepare", {}, (TOOL.sha256,))
    text = text.replace("/tmp/imagefactory", f"{folder}/imagefactory")
    (folder / "prepare.sh").write_text(text.replace(guest.ROOT, f"{folder}/run"), "utf-8")
    return subprocess.run(
        [shutil.which("bash") or "/bin/bash", str(folder / "prepare.sh")],
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.process
@pytest.mark.parametrize("free", ["", str(len(samples.TOOL_CONTENT))], ids=["of this machine", "just enough"])
def test_the_guest_takes_a_file_whose_digest_is_right(tmp_path: Path, free: str) -> None:
    done = prepare(tmp_path, samples.TOOL_CONTENT, free)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run" / "tools" / TOOL.sha256).read_bytes() == samples.TOOL_CONTENT
    assert not (tmp_path / f"imagefactory-tool-{TOOL.sha256}").exists()


@pytest.mark.process
def test_the_guest_says_which_file_has_no_room_before_it_moves_it(tmp_path: Path) -> None:
    size = len(samples.TOOL_CONTENT)
    done = prepare(tmp_path, samples.TOOL_CONTENT, str(size - 1))
    assert done.returncode == 1
    assert done.stderr == (
        f"the file {TOOL.sha256[:12]} of a tool needs {size} bytes in {tmp_path}/run/tools, and {size - 1} are free\n"
    )
    assert not list((tmp_path / "run" / "tools").iterdir())
    assert (tmp_path / f"imagefactory-tool-{TOOL.sha256}").exists()


@pytest.mark.process
def test_the_guest_says_which_file_has_another_digest(tmp_path: Path) -> None:
    done = prepare(tmp_path, b"another")
    assert done.returncode == 1
    assert done.stderr == f"the file {TOOL.sha256[:12]} of a tool has another SHA-256 in the guest\n"
