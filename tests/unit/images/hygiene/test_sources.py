"""What names a mirror or a proxy that only builds reach is found in the image, and in nothing else."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit.images.hygiene.machine import BASH, Machine
from tests.unit.images.places import IMAGES

pytestmark = pytest.mark.process

HOSTS = ("--only-build", "mirror.build.example.com proxy.build.example.com")
WHAT = "names a mirror or a proxy that only a build reaches [build-source]"


@pytest.mark.parametrize(
    "name",
    [
        "etc/pip.conf",
        "root/.npmrc",
        "opt/app/settings.xml",
        "etc/yum.repos.d/team.repo",
        "usr/local/etc/wgetrc",
    ],
)
def test_a_file_that_names_a_host_of_the_build_is_found(machine: Machine, name: str) -> None:
    machine.write(name, "index = https://Mirror.build.example.com/simple\n")
    assert machine.look("build", *HOSTS) == [f"/{name}: {WHAT}"]
    assert machine.look("build") == []


@pytest.mark.parametrize(
    "text",
    [
        "https://eu.mirror.build.example.com/",
        "mirror.build.example.community",
        "mirrorxbuild.example.com",
        "my-proxy.build.example.com",
    ],
)
def test_another_host_with_a_like_name_is_not(machine: Machine, text: str) -> None:
    machine.write("etc/x.conf", f"{text}\n")
    assert machine.look("build", *HOSTS) == []


def test_on_a_booted_machine_only_files_of_the_image_count(machine: Machine) -> None:
    machine.write("etc/x.conf", "proxy.build.example.com:3128\n")
    assert machine.look("verify", *HOSTS, booted=time.time() + 1000) == [f"/etc/x.conf: {WHAT}"]
    assert machine.look("verify", *HOSTS, booted=time.time() - 1000) == []


def test_the_script_takes_the_hosts_from_the_settings_of_the_platform(
    machine: Machine, tmp_path: Path
) -> None:
    platform = tmp_path / "bundle"
    shutil.copytree(IMAGES / "platform", platform)
    settings = {"build": {"proxy": "http://proxy.build.example.com:3128"}}
    (platform / "sources" / "settings.json").write_text(json.dumps(settings), "utf-8")
    root = tmp_path / "root"
    shutil.copytree(machine.root / "etc", root / "etc")
    (root / "etc" / "x.conf").write_text("proxy.build.example.com\n", "utf-8")
    command = [BASH, str(platform / "hygiene" / "findings.sh"), "--phase", "build", "--root", str(root)]
    done = subprocess.run(
        command, env={**os.environ}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == f"/etc/x.conf: {WHAT}\n", done.stderr
