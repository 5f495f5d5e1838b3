"""The builder's part of a restart: the script that waits, and what a definition's wishes become on the machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from builder.packer import guest, provisioners
from pipeline_core.wire.job import BuildJob, JobHardening, JobVolume
from tests.unit.builder import samples

BASH = shutil.which("bash") or "/bin/bash"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MOMENTS = {
    # the staged folder is there, the noted boot, the state of systemd: the exit code
    "nothing asked for a restart": (True, None, "starting", 0),
    "the old system still answers": (True, "this one", "running", 75),
    "another boot with a note that stayed": (True, "another", "running", 0),
    "up again": (False, None, "running", 0),
    "up with a unit that failed": (False, None, "degraded", 0),
    "starting": (False, None, "starting", 75),
    "for maintenance": (False, None, "maintenance", 75),
    "going down": (False, None, "stopping", 75),
    "a system that says nothing": (False, None, "", 75),
}


@pytest.mark.process
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_wait_ends_when_another_boot_is_up(moment: str, tmp_path: Path) -> None:
    is_staged, noted, state, code = MOMENTS[moment]
    root = tmp_path / "run"
    if is_staged:
        root.mkdir()
    if noted is not None:
        text = BOOT_ID.read_text("utf-8") if noted == "this one" else "another\n"
        (root / "restarting").write_text(text, "utf-8")
    for name, body in {"systemctl": f"echo '{state}'; exit 1", "sleep": "true"}.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        path.chmod(0o755)
    script = tmp_path / "wait.sh"
    script.write_text(guest.wait("wait").replace(guest.ROOT, str(root)), "utf-8")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([BASH, script], env=environment, check=False, timeout=30, capture_output=True)
    assert done.returncode == code, done.stderr


def _plan(job: BuildJob) -> provisioners.ProvisionPlan:
    return provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))


def test_what_a_definition_asks_for_reaches_the_platforms_scripts_and_no_team() -> None:
    job = samples.root_job(
        hardening=JobHardening(profile="stig", fips=True),
        volumes=(JobVolume(mount="/opt", gb=20), JobVolume(mount="/var", share=50)),
    )
    scripts = {script.file.split("-", 1)[1]: script.content for script in _plan(job).scripts}
    for kind in ("platform.sh", "restart.sh"):
        assert "kept+=(IMAGEFACTORY_FIPS=1)" in scripts[kind]
        assert "kept+=(IMAGEFACTORY_HARDENING=stig)" in scripts[kind]
        assert "kept+=(IMAGEFACTORY_VOLUMES='/opt\t20\t0\n/var\t0\t50')" in scripts[kind]
    assert "IMAGEFACTORY_FIPS" not in scripts["shell.sh"]


def test_what_is_not_asked_for_has_no_variable() -> None:
    texts = [script.content for script in _plan(samples.root_job()).scripts]
    assert not [text for text in texts for name in ("_FIPS", "_HARDENING", "_VOLUMES") if name in text]


@pytest.mark.parametrize("is_root", [True, False])
def test_the_machine_of_the_verify_stage_knows_of_fips_too_and_a_childs_that_it_is_inherited(
    is_root: bool,
) -> None:
    plan = _plan(samples.verify_job(hardening=JobHardening(fips=True), is_root=is_root))
    asked = "1" if is_root else "inherited"
    assert f"kept+=(IMAGEFACTORY_FIPS={asked})" in plan.scripts[-1].content


def test_only_a_script_before_the_teams_steps_is_a_restart() -> None:
    names = {*samples.PLATFORM, "platform/after/50-restart.sh", "platform/roots/50-restart.sh"}
    plan = provisioners.plan(samples.root_job(), frozenset(samples.BUNDLE), frozenset(names))
    assert len([script for script in plan.scripts if script.file.endswith("-wait.sh")]) == 1
