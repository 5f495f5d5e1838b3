"""Staging in the guest: the script is run with a playbook that only pretends; what it lays down is checked again."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.images.places import IMAGES

pytestmark = pytest.mark.process

BASH = shutil.which("bash") or "/bin/bash"
SCRIPT = IMAGES / "platform" / "before" / "20-stage-catalog.sh"
TASKS = IMAGES / "roles" / "agent_stage" / "tasks" / "main.yml"
CONTENT = b"a tool"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def stage(folder: Path, playbook: str) -> subprocess.CompletedProcess[str]:
    """Run the script with an `ansible-playbook` that does `playbook` in the stage."""
    program = folder / "bin" / "ansible-playbook"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/bash\nset -e\nmkdir -p "$STAGE/goss/0.4.9"\ncd "$STAGE"\n{playbook}\n')
    program.chmod(0o755)
    shutil.copytree(IMAGES / "platform" / "sources", folder / "platform" / "sources")
    (folder / "catalog.json").write_text('{"hosts": [], "entries": []}', encoding="utf-8")
    target = str(folder / "Tools")
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "STAGE": target,
        "IMAGEFACTORY_STAGE": target,
        "IMAGEFACTORY_PLATFORM": str(folder),
        "IMAGEFACTORY_CATALOG": str(folder / "catalog.json"),
    }
    return subprocess.run(
        [BASH, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


GOOD = f"printf 'a tool' > goss/0.4.9/goss; printf '%s  %s\\n' {DIGEST} goss/0.4.9/goss > SHA256SUMS"


def test_a_tool_with_its_digest_is_staged(tmp_path: Path) -> None:
    done = stage(tmp_path, GOOD)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "Tools" / "goss" / "0.4.9" / "goss").read_bytes() == CONTENT


def test_an_image_without_tools_is_staged_too(tmp_path: Path) -> None:
    assert stage(tmp_path, "rmdir -p goss/0.4.9").returncode == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "printf 'another tool' > goss/0.4.9/goss",
        "rm goss/0.4.9/goss",
        "printf 'x' > goss/0.4.9/extra",
        "ln -s /etc/passwd goss/0.4.9/link",
        "rm SHA256SUMS",
        "chmod +x goss/0.4.9/goss",
        "exit 1",
    ],
)
def test_what_has_no_right_digest_or_could_be_run_fails_the_build(tmp_path: Path, wrong: str) -> None:
    assert stage(tmp_path, f"{GOOD}\n{wrong}").returncode != 0


def test_the_role_downloads_and_lays_down_and_does_nothing_else() -> None:
    modules = {
        key
        for task in yaml.safe_load(TASKS.read_text("utf-8"))
        for key in task
        if key.startswith("ansible.builtin.")
    }
    assert modules == {
        "ansible.builtin.slurp",
        "ansible.builtin.set_fact",
        "ansible.builtin.assert",
        "ansible.builtin.file",
        "ansible.builtin.get_url",
        "ansible.builtin.lineinfile",
    }


def test_every_place_that_names_the_stage_names_the_same() -> None:
    defaults = yaml.safe_load((IMAGES / "roles" / "agent_stage" / "defaults" / "main.yml").read_text("utf-8"))
    assert defaults["agent_stage_folder"] == "/opt/stage/Tools"
    assert "IMAGEFACTORY_STAGE:-/opt/stage/Tools}" in SCRIPT.read_text("utf-8")
    named = [
        path for path in IMAGES.rglob("*") if path.is_file() and b"/opt/imagefactory" in path.read_bytes()
    ]
    assert named == []
