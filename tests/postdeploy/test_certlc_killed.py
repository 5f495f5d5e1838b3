"""A run that is killed before any of its steps leaves whole files, and the next run completes its work."""

import itertools
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from local.arm.launch import RunningArm
from tests.postdeploy import pki
from tests.postdeploy.machine import APP, Machine

pytestmark = pytest.mark.slow

KILLED_AT = str(Path(__file__).with_name("killed_at.py"))
NAME = "killed-tls"
# The first step takes the lock. Up to the end of the restart a rollback has the steps of a rotation.
SECOND_STEP, AFTER_THE_RESTART = 2, 19
# The last step before the new version is current, and the first after it: to restart the service.
THE_SWITCH, THE_RESTART = 17, 18
NOWHERE = "https://127.0.0.1:9"
STEPS_OF_A_ROTATION, STEPS_OF_A_ROLLBACK = 21, 34


# One step of each kind: before all, with half of the files, before a record, a switch, a restart, and while it tidies.
# The others are a share of the campaign.
KEPT_OF_A_ROTATION = {SECOND_STEP, 11, 14, THE_SWITCH, THE_RESTART, STEPS_OF_A_ROTATION}
KEPT_OF_A_ROLLBACK = {21, 24, 25, 28, 31}


def steps(first: int, last: int, kept: set[int]) -> list[Any]:
    """The steps as parameters of a test."""
    marks = {True: [], False: [pytest.mark.campaign]}
    return [pytest.param(step, marks=marks[step in kept]) for step in range(first, last + 1)]


class Rotated:
    """A machine with an old version, whose vault has a new one. Each test takes a copy."""

    def __init__(self, folder: Path, arm: RunningArm) -> None:
        self.old, self.new = pki.made(), pki.made()
        self.template = Machine(folder / "template", arm)
        self.template.put(NAME, self.old.pem)
        self.template.configure(self.template.certificate(NAME))
        assert self.template.run().code == 0
        self.old_version = self.template.version
        self.template.put(NAME, self.new.pem)
        self.new_version = arm_version(arm)

    def copy(self, folder: Path) -> Machine:
        made = Machine(folder, self.template.arm)
        shutil.rmtree(made.root)
        shutil.copytree(self.template.root, made.root, symlinks=True)
        return made

    def assert_whole(self, machine: Machine) -> None:
        """What services read is one version in full."""
        found = [(machine.current / file).read_text() for file in ("key.pem", "cert.pem", "chain.pem")]
        assert found in [[cert.key_pem, cert.leaf_pem, cert.chain_pem] for cert in (self.old, self.new)]


def arm_version(arm: RunningArm) -> str:
    """The newest version, as its owner sees it."""
    import json
    import ssl
    import urllib.request

    token = arm.identity_endpoint.rpartition("/msi/")[0] + "/metadata/identity/oauth2/token"
    asked = urllib.request.Request(f"{token}?resource=https://vault.azure.net", headers={"Metadata": "true"})
    with urllib.request.urlopen(asked) as answer:
        bearer = json.load(answer)["access_token"]
    secret = urllib.request.Request(
        f"{arm.vault}/secrets/{NAME}?api-version=7.4", headers={"Authorization": f"Bearer {bearer}"}
    )
    with urllib.request.urlopen(secret, context=ssl.create_default_context(cafile=arm.ca_file)) as answer:
        return str(json.load(answer)["id"]).rpartition("/")[2]


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory, vault_and_identity: RunningArm) -> Rotated:
    return Rotated(tmp_path_factory.mktemp("rotated"), vault_and_identity)


def assert_tidy(machine: Machine, *, versions: int) -> None:
    remains = [path for path in machine.root.rglob("*") if path.name.endswith(".new")]
    assert remains == []
    assert len(list((machine.folder / "versions").iterdir())) == versions


@pytest.mark.parametrize("step", steps(SECOND_STEP, STEPS_OF_A_ROTATION, KEPT_OF_A_ROTATION))
def test_a_rotation_that_was_killed_is_completed(rotated: Rotated, tmp_path: Path, step: int) -> None:
    machine = rotated.copy(tmp_path / "machine")
    killed = machine.run(before=(KILLED_AT, str(step)))
    assert killed.code == -signal.SIGKILL
    rotated.assert_whole(machine)
    ran = machine.run("certlc", "--by-timer")
    assert ran.code == 0, ran.output
    assert machine.version == rotated.new_version
    assert machine.last_call_version == rotated.new_version
    assert machine.unit_state() == "active"
    assert ran.named("run-started")[0]["rerun"] == "yes"
    assert_tidy(machine, versions=2)


@pytest.mark.parametrize("step", steps(AFTER_THE_RESTART, STEPS_OF_A_ROLLBACK, KEPT_OF_A_ROLLBACK))
def test_a_rollback_that_was_killed_is_completed(rotated: Rotated, tmp_path: Path, step: int) -> None:
    machine = rotated.copy(tmp_path / "machine")
    machine.refuse(rotated.new_version)
    killed = machine.run(before=(KILLED_AT, str(step)))
    assert killed.code == -signal.SIGKILL
    rotated.assert_whole(machine)
    assert machine.run("certlc", "--by-timer").code == 15
    assert machine.version == rotated.old_version
    assert machine.last_call_version == rotated.old_version
    assert machine.unit_state() == "active"
    assert_tidy(machine, versions=1)


def test_a_killed_rotation_is_undone_where_it_cannot_be_completed(rotated: Rotated, tmp_path: Path) -> None:
    machine = rotated.copy(tmp_path / "machine")
    machine.run(before=(KILLED_AT, str(THE_RESTART)))
    assert machine.version == rotated.new_version
    machine.forget_calls()
    ran = machine.run("certlc", "--by-timer", vault=NOWHERE)
    assert (ran.code, machine.version) == (11, rotated.old_version)
    assert (machine.calls, machine.last_call_version) == ([f"restart {APP}"], rotated.old_version)
    assert ran.named("rolled-back")[0]["refused"] == rotated.new_version
    # Nothing is known against the version: it is installed as soon as it can be read.
    assert machine.run("certlc", "--by-timer").code == 0
    assert machine.version == rotated.new_version


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_the_way_back_of_a_killed_rotation_may_be_killed_too(rotated: Rotated, tmp_path: Path) -> None:
    for step in itertools.count(SECOND_STEP):
        machine = rotated.copy(tmp_path / str(step))
        machine.run(before=(KILLED_AT, str(THE_RESTART)))
        killed = machine.run(before=(KILLED_AT, str(step)), vault=NOWHERE)
        rotated.assert_whole(machine)
        if killed.code != -signal.SIGKILL:
            break
        assert machine.run("certlc", "--by-timer", vault=NOWHERE).code == 11
        assert (machine.version, machine.last_call_version) == (rotated.old_version, rotated.old_version)
        assert machine.unit_state() == "active"
    assert killed.code == 11
    assert step > 12


def test_a_version_that_no_service_has_read_is_left_without_a_restart(
    rotated: Rotated, tmp_path: Path
) -> None:
    machine = rotated.copy(tmp_path / "machine")
    machine.run(before=(KILLED_AT, str(THE_SWITCH)))
    machine.forget_calls()
    assert machine.run("certlc", "--by-timer", vault=NOWHERE).code == 11
    assert (machine.version, machine.calls) == (rotated.old_version, [])


def test_a_version_with_which_two_runs_were_killed_is_refused(rotated: Rotated, tmp_path: Path) -> None:
    machine = rotated.copy(tmp_path / "machine")
    for _ in range(2):
        assert machine.run(before=(KILLED_AT, str(THE_RESTART))).code == -signal.SIGKILL
        assert machine.version == rotated.new_version
    third = machine.run("certlc", "--by-timer")
    assert (third.code, third.named("failed")[0]["reason"]) == (15, "refused-before")
    assert "2 runs were killed" in third.named("failed")[0]["text"]
    assert (machine.version, machine.last_call_version) == (rotated.old_version, rotated.old_version)
    assert machine.unit_state() == "active"
    by_hand = machine.run()
    assert (by_hand.code, machine.version) == (0, rotated.new_version)


@pytest.mark.parametrize(
    ("refuses", "steps"),
    [(False, STEPS_OF_A_ROTATION), (True, STEPS_OF_A_ROLLBACK)],
    ids=["rotation", "rollback"],
)
def test_these_are_all_steps(rotated: Rotated, tmp_path: Path, refuses: bool, steps: int) -> None:
    machine = rotated.copy(tmp_path / "machine")
    if refuses:
        machine.refuse(rotated.new_version)
    ran = machine.run(before=(KILLED_AT, "0"))
    assert ran.named("ended") == [{"event": "ended", "steps": str(steps)}]
