"""Staging in the guest: the script is run with a playbook that only pretends; what it lays down is checked again."""

import hashlib
import os
import re
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
    (folder / "catalog.json").write_text('{"hosts": [], "entries": []}', encoding="utf-8")
    target = str(folder / "Tools")
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "STAGE": target,
        "IMAGEFACTORY_STAGE": target,
        "IMAGEFACTORY_PLATFORM": str(folder),
        "IMAGEFACTORY_CATALOG": str(folder / "catalog.json"),
        "IMAGEFACTORY_TOOLS": str(folder / "sent"),
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


def test_the_role_gets_the_list_the_files_and_the_stage(tmp_path: Path) -> None:
    said = 'printf "%s\\n" "$@" >"$STAGE/../said"; rmdir -p goss/0.4.9'
    assert stage(tmp_path, said).returncode == 0
    given = (tmp_path / "said").read_text("utf-8").split()
    assert f"agent_stage_entries_file={tmp_path / 'catalog.json'}" in given
    assert f"agent_stage_tools={tmp_path / 'sent'}" in given
    assert f"agent_stage_folder={tmp_path / 'Tools'}" in given


def test_nothing_in_the_guest_downloads_a_tool() -> None:
    """The builder sends them. Only dnf asks the network, and postdeploy on a deployed machine."""
    asking = {
        str(path.relative_to(IMAGES))
        for path in (*IMAGES.joinpath("platform").rglob("*"), *IMAGES.joinpath("roles").rglob("*"))
        if path.is_file() and re.search(rb"\bcurl --|\bwget |get_url|builtin\.uri\b", path.read_bytes())
    }
    assert asking == set()


def test_the_role_compares_and_lays_down_and_does_nothing_else() -> None:
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
        "ansible.builtin.stat",
        "ansible.builtin.copy",
        "ansible.builtin.lineinfile",
    }


def test_each_refusal_of_the_role_asks_one_thing_and_says_it() -> None:
    """By order: a job without a name of the file has sent none, and a file that is not there has no digest."""
    refusals = [
        task["ansible.builtin.assert"]
        for task in yaml.safe_load(TASKS.read_text("utf-8"))
        if "ansible.builtin.assert" in task
    ]
    asked = [str(each["that"]) for each in refusals]
    said = [each["fail_msg"].partition("): ")[2] for each in refusals]
    assert said == [
        "the job is of an older release and names no file: request the build again",
        "the builder has sent no file",
        "the file that the builder has sent has another SHA-256",
        "the name of the file has another form than a file's",
    ]
    assert asked[:2] == ["item.item.file | default('') != ''", "item.stat.exists"]
    assert "item.stat.checksum == item.item.sha256" in asked[2]
    assert "item.item.file is match" in asked[3]
    assert all("item.item.sha256[:12]" in each["fail_msg"] for each in refusals)


def test_every_place_that_names_the_stage_names_the_same() -> None:
    defaults = yaml.safe_load((IMAGES / "roles" / "agent_stage" / "defaults" / "main.yml").read_text("utf-8"))
    assert defaults["agent_stage_folder"] == "/opt/stage/Tools"
    assert "IMAGEFACTORY_STAGE:-/opt/stage/Tools}" in SCRIPT.read_text("utf-8")
    named = [
        path for path in IMAGES.rglob("*") if path.is_file() and b"/opt/imagefactory" in path.read_bytes()
    ]
    assert named == []
