"""What the steps of a base leave, held against the tests that the roles ask of every booted image."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.images.places import IMAGES
from tests.unit.images.stand_ins import BASH, StandIn

FOLDERS = ("/etc/pki/imagefactory", "/etc/imagefactory")


def goss(role: str) -> dict[str, dict[str, dict[str, list[str]]]]:
    """The tests of a role, by their kind."""
    found: dict[str, dict[str, dict[str, list[str]]]] = yaml.safe_load(
        (IMAGES / "roles" / role / "tests" / "goss.yaml").read_text("utf-8")
    )
    return found


@pytest.fixture
def base(tmp_path: Path) -> StandIn:
    """A machine with the folders of the role `postdeploy`, where `30-base.sh` has noted the base."""
    machine = StandIn(tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder.lstrip("/")).mkdir(parents=True)
    machine.environment["IMAGEFACTORY_BASE"] = str(tmp_path / "etc" / "imagefactory" / "base.json")
    done = machine.run("roots/30-base.sh")
    assert done.returncode == 0, done.stderr
    return machine


def found(machine: StandIn) -> list[str]:
    """What the command of the role's test finds below the folders."""
    (command,) = (each for each in goss("postdeploy")["command"] if each.startswith("find "))
    inside = command.replace("/etc/", f"{machine.folder}/etc/")
    done = subprocess.run([BASH, "-c", inside], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.process
def test_the_note_of_a_base_is_not_taken_for_settings_of_a_machine(base: StandIn) -> None:
    assert (base.folder / "etc" / "imagefactory" / "base.json").is_file()
    assert found(base) == []


@pytest.mark.process
@pytest.mark.parametrize("name", ["etc/imagefactory/a/base.json", "etc/pki/imagefactory/base.json"])
def test_what_is_of_one_machine_is_found_beside_the_note(base: StandIn, name: str) -> None:
    path = base.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}", "utf-8")
    assert str(path) in found(base)


# What `auditctl -l` prints for a watched file: the form of older releases of the guide, and that of newer ones.
WATCHED = {
    "-w": "-w {} -p wa -k identity",
    "path": "-a always,exit -F arch=b64 -S all -F path={} -F perm=wa -F key=identity",
    "path, at the end": "-a always,exit -F arch=b32 -S all -F perm=wa -F path={}",
}
CALLS = (
    "-a always,exit -F arch=b32 -S open -F exit=-EACCES\n-a always,exit -F arch=b64 -S open -F exit=-EACCES\n"
)


def unmet(said: str) -> list[str]:
    """What the role's test of the audit rules does not find; a line in slashes is a pattern, as goss has it."""
    wanted = goss("rhel9_hardening")["command"]["auditctl -l"]["stdout"]
    lines = said.splitlines()
    return [
        each
        for each in wanted
        if not any(re.search(each[1:-1], line) if each.startswith("/") else each in line for line in lines)
    ]


@pytest.mark.parametrize("form", WATCHED)
def test_the_audit_rules_of_older_and_newer_releases_of_the_guide_pass(form: str) -> None:
    said = CALLS + "".join(f"{WATCHED[form].format(name)}\n" for name in ("/etc/passwd", "/etc/sudoers"))
    assert unmet(said) == []


@pytest.mark.parametrize("form", WATCHED)
def test_audit_rules_of_another_file_do_not_pass(form: str) -> None:
    said = CALLS + "".join(f"{WATCHED[form].format(name)}\n" for name in ("/etc/passwd-", "/etc/sudoers.d"))
    assert [each.rpartition("/etc/")[2] for each in unmet(said)] == ["passwd( |$)/", "sudoers( |$)/"]
