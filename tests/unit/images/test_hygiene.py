"""The hygiene check, run on folders that stand for a system: what must not be in an image is found, and only that."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.images.places import IMAGES

BASH = shutil.which("bash") or "/bin/bash"
SCRIPT = IMAGES / "platform" / "hygiene" / "findings.sh"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n"
PROVISIONED = (
    "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,"
    'command="echo \'Please login as the user \\"packer\\" rather than the user \\"root\\".\';echo;sleep 10" '
    "ssh-rsa AAAA\n"
)
Look = Callable[..., list[str]]


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A system as a build leaves it: nothing to find."""
    files = {
        "etc/shadow": "root:!!:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\npacker:!:19000::::::\n",
        "etc/hosts": "127.0.0.1 localhost\n",
        "etc/pki/rhui/key.pem": KEY,
        "etc/ssh/sshd_config": "PermitRootLogin no\n",
        "home/packer/.ssh/authorized_keys": "ssh-rsa AAAA packer\n",
        "root/.bashrc": "alias ll='ls -l'\n",
        "usr/lib/python3.9/test/key.pem": KEY,
        "var/lib/waagent/transport.pem": KEY,
    }
    for name, content in files.items():
        write(tmp_path, name, content)
    return tmp_path


@pytest.fixture
def look(system: Path) -> Look:
    def run(phase: str = "build", *, booted: float | None = None) -> list[str]:
        command = [BASH, str(SCRIPT), "--phase", phase, "--root", str(system)]
        if booted is not None:
            command += ["--booted", str(int(booted))]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
        )
        return done.stdout.splitlines()

    return run


def write(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def test_a_clean_system_has_no_findings(look: Look) -> None:
    assert look() == []


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        ("opt/app/tls.key", KEY, "a private key"),
        ("root/.ssh/id_rsa", "-----BEGIN RSA PRIVATE KEY-----\n", "a private key"),
        ("etc/pki/tls/private/localhost.key", "-----BEGIN PRIVATE KEY-----\n", "a private key"),
        ("etc/app.conf", f"token = ghp_{'a1' * 18}\n", "something that looks like a token"),
        ("srv/upload.sh", f"AccountKey={'Zm9v' * 20}==\n", "something that looks like a token"),
        ("root/.bash_history", "ls\n", "a shell history"),
        ("home/dev/.python_history", "import os\n", "a shell history"),
        ("home/dev/.ssh/authorized_keys", "ssh-ed25519 AAAA dev\n", "an authorised key"),
        ("root/.ssh/authorized_keys", "ssh-ed25519 AAAA admin", "an authorised key"),
        ("root/.azure/msal_token_cache.json", "{}", "credentials of a person or a program"),
        ("home/dev/.netrc", "machine x\n", "credentials of a person or a program"),
        ("opt/CrowdStrike/falconstore", "aid", "enrolment of one machine"),
        ("etc/krb5.keytab", "key", "enrolment of one machine"),
        ("etc/shadow", "root:$6$salt$hash:19000::::::\n", "the account root has a password"),
        ("etc/shadow", "guest::19000::::::\n", "the account guest has no password and is not locked"),
    ],
)
def test_what_must_not_be_baked_is_found(
    system: Path, look: Look, name: str, content: str, finding: str
) -> None:
    write(system, name, content)
    assert len(look()) == 1
    path, _, what = look()[0].partition(": ")
    assert (f"/{name}".startswith(path), what) == (True, finding)


def test_a_name_with_spaces_and_a_missing_folder_do_not_hide_a_finding(system: Path, look: Look) -> None:
    shutil.rmtree(system / "home")
    write(system, "opt/my app/the key.pem", KEY)
    assert look() == ["/opt/my app/the key.pem: a private key"]


def test_every_finding_is_told_at_once(system: Path, look: Look) -> None:
    write(system, "opt/a.key", KEY)
    write(system, "root/.bash_history", "ls\n")
    write(system, "etc/krb5.keytab", "key")
    assert len(look()) == 3


def test_roots_key_that_only_says_whom_to_log_in_as_is_allowed(system: Path, look: Look) -> None:
    write(system, "root/.ssh/authorized_keys", PROVISIONED)
    assert look() == []
    write(system, "root/.ssh/authorized_keys", PROVISIONED + "ssh-rsa BBBB somebody\n")
    assert look() == ["/root/.ssh/authorized_keys: an authorised key"]


def test_a_key_that_the_machine_made_since_its_boot_is_its_own(system: Path, look: Look) -> None:
    write(system, "var/lib/fwupd/pki/secret.key", KEY)
    write(system, "etc/ssh/ssh_host_rsa_key", KEY)
    write(system, "etc/machine-id", "4d5c1e2f\n")
    assert look("verify", booted=time.time() - 600) == []


def test_a_key_that_is_older_than_the_machine_was_baked(system: Path, look: Look) -> None:
    write(system, "var/lib/fwupd/pki/secret.key", KEY)
    write(system, "etc/ssh/ssh_host_rsa_key", KEY)
    write(system, "etc/machine-id", "4d5c1e2f\n")
    assert look("verify", booted=time.time() + 3600) == [
        "/var/lib/fwupd/pki/secret.key: a private key",
        "/etc/ssh/ssh_host_rsa_key: older than this machine: it was baked",
        "/etc/machine-id: older than this machine: it was baked",
    ]


def test_a_search_that_cannot_look_fails_instead_of_finding_nothing(system: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    write(tools, "grep", "#!/bin/sh\nexit 2\n")
    (tools / "grep").chmod(0o755)
    done = subprocess.run(
        [BASH, str(SCRIPT), "--phase", "build", "--root", str(system)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": f"{tools}:/usr/bin:/bin"},
    )
    assert done.returncode != 0
    assert "the search for keys or tokens failed" in done.stderr


def test_an_unknown_phase_is_refused() -> None:
    done = subprocess.run([BASH, str(SCRIPT)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
