"""The goss files of the platform and its roles, run by the real goss on a made root before and after the steps."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.content.goss import children, runs
from tests.content.goss.conftest import Nursery
from tests.content.goss.runs import IMAGES
from tools.content import guest
from tools.content.harden import ANSIBLE, HardenedRoot

pytestmark = [pytest.mark.timeout(1800), pytest.mark.content]

BASH = shutil.which("bash") or "/bin/bash"
POSTDEPLOY = IMAGES / "roles" / "postdeploy" / "tests" / "goss.yaml"
_LABELS = "Command: stat --format %C /etc/pki/imagefactory /usr/libexec/imagefactory/certlc"
INVARIANTS = IMAGES / "platform" / "verify" / "invariants.yaml"
HARDENING = IMAGES / "roles" / "rhel9_hardening" / "tests" / "goss.yaml"
# What a made root cannot answer: labels of SELinux, and what a kernel tells. Parameters of the kernel are those of the
# machine that runs the test, so they are left out.
KERNELS = frozenset(
    {
        "Command: auditctl -s: stdout",
        "Command: auditctl -l: stdout",
        "Command: cat /proc/cmdline: stdout",
        "Command: getenforce: exit-status",
        "Command: getenforce: stdout",
        # Of a firewalld that runs: tests/content/test_firewall.py asks a real one.
        "Command: firewall-cmd --state: stdout",
        "Command: firewall-cmd --get-default-zone: stdout",
        "Command: active zones: stdout",
        "Command: rules of the loopback: stdout",
    }
)
UNANSWERED = frozenset({f"{_LABELS}: exit-status", f"{_LABELS}: stdout"})


@pytest.fixture(scope="module")
def baked(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root on which the steps of a base after its hardening ran: the role `postdeploy`, and the note of the base.

    The role's module for packages is a stand-in.
    """
    work = tmp_path_factory.mktemp("postdeploy")
    root, roles = work / "root", work / "roles"
    children.copy_root(nursery.start, root)
    shutil.copytree(IMAGES / "roles", roles)
    tasks = roles / "postdeploy" / "tasks" / "main.yml"
    tasks.write_text(tasks.read_text("utf-8").replace("ansible.builtin.dnf:", "dnf:"), encoding="utf-8")
    playbook = IMAGES / "platform" / "roots" / "20-postdeploy.yml"
    done = guest.play(root, playbook, site=ANSIBLE, roles=roles)
    assert done.code == 0, done.output[-3000:]
    note = {"IMAGEFACTORY_IMAGE": "rhel9-base", "IMAGEFACTORY_BASE": f"{root}/etc/imagefactory/base.json"}
    step = [BASH, str(IMAGES / "platform" / "roots" / "30-base.sh")]
    subprocess.run(step, env={"PATH": os.environ["PATH"], **note}, check=True, timeout=60)
    return root


def test_a_root_without_the_role_is_found(nursery: Nursery) -> None:
    failed = runs.validate(nursery.start, POSTDEPLOY).failed
    assert {
        "File: /usr/libexec/imagefactory/certlc: exists",
        "Command: /usr/libexec/imagefactory/certlc --help: exit-status",
    } <= failed


def test_the_role_of_postdeploy_passes_its_own_test(baked: Path) -> None:
    run = runs.validate(baked, POSTDEPLOY)
    assert run.failed == UNANSWERED
    assert run.count >= 50


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("chmod 0775 /usr/libexec/imagefactory/certlc", {"File: /usr/libexec/imagefactory/certlc: mode"}),
        (
            "touch /etc/imagefactory/postdeploy.json",
            {
                "File: /etc/imagefactory/postdeploy.json: exists",
                "Command: find /etc/pki/imagefactory /etc/imagefactory -mindepth 1 "
                "! -path /etc/imagefactory/base.json: stdout",
            },
        ),
        (
            "systemctl enable certlc-run.timer",
            {"Service: certlc-run.timer: enabled", "Service: certlc-run.timer: running"},
        ),
    ],
    ids=["wrong mode", "configuration baked", "timer on"],
)
def test_a_mistake_in_what_the_role_bakes_is_found(
    baked: Path, tmp_path: Path, line: str, found: set[str]
) -> None:
    image = children.BakedImage(root=baked, folder=POSTDEPLOY.parent)
    root = children.change(image, line, tmp_path)
    assert runs.validate(root, POSTDEPLOY).failed == UNANSWERED | found


def _answered(root: Path, file: Path) -> set[str]:
    """The tests that fail, without those that no made root answers."""
    failed = runs.validate(root, file).failed
    return {name for name in failed - KERNELS if not name.startswith("KernelParam: ")}


def test_the_invariants_find_that_nobody_hardened_the_image(nursery: Nursery, made: Path) -> None:
    assert nursery.start.is_dir()
    assert {
        "Command: short password: stderr",
        "Command: password of few kinds: stderr",
        "Command: sshd -T: stdout",
        "Command: mask of new files: stdout",
        "Command: time-out of shells: stdout",
        "Command: members of sugroup: stdout",
        "Command: options of /tmp: stdout",
        "Command: options of /home: stdout",
        "Command: options of /var: stdout",
        "Command: options of /dev/shm: stdout",
    } <= _answered(made, INVARIANTS)


@pytest.mark.parametrize("file", [INVARIANTS, HARDENING], ids=["invariants", "role"])
def test_a_hardened_root_passes(nursery: Nursery, hardened: HardenedRoot, file: Path) -> None:
    assert nursery.start.is_dir()
    assert _answered(hardened.root, file) == set()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "sed -i 's/^minclass.*/minclass = 1/' /etc/security/pwquality.conf",
            {"Command: password of few kinds: stderr"},
        ),
        (
            "sed -i 's/^minlen.*/minlen = 6/' /etc/security/pwquality.conf",
            {"Command: short password: stderr"},
        ),
        (
            "sed -i 's/,noexec//' /etc/fstab",
            {"Command: options of /tmp: stdout", "Command: options of /dev/shm: stdout"},
        ),
        (
            "echo 'nobody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/x; chmod 0440 /etc/sudoers.d/x",
            {"Command: rights of nobody: stdout"},
        ),
        ("usermod --append --groups sugroup nobody", {"Command: members of sugroup: stdout"}),
        ("echo 'PermitRootLogin yes' >/etc/ssh/sshd_config.d/00-a.conf", {"Command: sshd -T: stdout"}),
        ("chmod 0644 /etc/shadow", {"File: /etc/shadow: mode"}),
        (
            "ln -sf /dev/null /etc/systemd/system/auditd.service",
            {"Service: auditd: enabled", "Service: auditd: running"},
        ),
    ],
    ids=["kinds", "length", "noexec", "sudo", "su", "root by ssh", "wrong mode", "unit masked"],
)
def test_a_hardened_root_that_was_changed_is_found(
    nursery: Nursery, hardened: HardenedRoot, tmp_path: Path, line: str, found: set[str]
) -> None:
    assert nursery.start.is_dir()
    image = children.BakedImage(root=hardened.root, folder=INVARIANTS.parent)
    assert _answered(children.change(image, line, tmp_path), INVARIANTS) == found
