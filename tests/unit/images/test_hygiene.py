"""The hygiene check, run on folders that stand for a system: what must not be in an image is found, and only that."""

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.images.hygiene import made
from tests.unit.images.hygiene.machine import BASH, SCRIPT, Machine, bare
from tests.unit.images.places import IMAGES

pytestmark = pytest.mark.process

KEY = made.key()
TOKEN = made.token()
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
PROVISIONED = (
    "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,"
    'command="echo \'Please login as the user \\"packer\\" rather than the user \\"root\\".\';echo;sleep 10" '
    "ssh-rsa AAAA\n"
)
Look = Callable[..., list[str]]


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A system as a build leaves it: nothing to find."""
    machine = bare(tmp_path)
    files = {
        "run/key.pem": KEY,
        "etc/hosts": "127.0.0.1 localhost\n",
        "etc/pki/rhui/key.pem": KEY,
        "etc/ssh/sshd_config": "PermitRootLogin no\n",
        "home/packer/.ssh/authorized_keys": "ssh-rsa AAAA packer\n",
        "root/.bashrc": "alias ll='ls -l'\n",
        "usr/lib/python3.9/test/key.pem": KEY,
        "var/lib/waagent/transport.pem": KEY,
    }
    for name, content in files.items():
        machine.write(name, content)
    return tmp_path


@pytest.fixture
def look(system: Path) -> Look:
    def run(phase: str = "build", *, booted: float | None = None, form: str = "text") -> list[str]:
        return Machine(root=system).look(phase, "--format", form, booted=booted)

    return run


def write(root: Path, name: str, content: str) -> None:
    Machine(root=root).write(name, content)


def test_a_clean_system_has_no_findings(look: Look) -> None:
    assert look() == []


PLANTED = {
    "key of an application": ("opt/app/tls.key", KEY, "private-key"),
    "key of a person": ("root/.ssh/id_rsa", made.keys()["OpenSSH"], "private-key"),
    "key of a server": ("etc/pki/tls/private/localhost.key", made.keys()["PKCS 8"], "private-key"),
    "key with a passphrase": ("srv/a.key", made.keys()["PKCS 8 with a passphrase"], "private-key"),
    "key in JSON": ("etc/sa.json", json.dumps({"k": KEY}), "private-key"),
    "key with CRLF": ("etc/windows.pem", KEY.replace("\n", "\r\n"), "private-key"),
    "PGP key": ("home/dev/k.asc", made.keys()["PGP"], "private-key"),
    "PuTTY key": ("srv/k.ppk", made.keys()["PuTTY"], "private-key"),
    "GitHub token": ("etc/app.conf", f"token = {TOKEN}\n", "token"),
    "storage key": ("srv/upload.sh", f"{made.tokens()['storage']}\n", "token"),
    "Service Bus key": ("srv/bus.conf", f"{made.tokens()['Service Bus']}\n", "token"),
    "shared access signature": ("opt/x", f"{made.tokens()['signature']}\n", "token"),
    "AWS key": ("opt/aws", f"{made.tokens()['AWS']}\n", "token"),
    "Vault token": ("opt/vault", f"{made.tokens()['Vault']}\n", "token"),
    "Entra secret": ("opt/entra", f"{made.tokens()['Entra']}\n", "token"),
    "signed token": ("var/lib/app/cache", made.tokens()["JWT"], "token"),
    "token in a readme": ("opt/app/README.md", f"For example `{TOKEN}`.\n", "token"),
    "history of root": ("root/.bash_history", "ls\n", "history"),
    "history of Python": ("home/dev/.python_history", "import os\n", "history"),
    "history of fish": ("home/dev/.local/share/fish/fish_history", "- cmd: ls\n", "history"),
    "authorised key": ("home/dev/.ssh/authorized_keys", "ssh-ed25519 AAAA dev\n", "authorised-key"),
    "authorised key of root": ("root/.ssh/authorized_keys", "ssh-ed25519 AAAA admin", "authorised-key"),
    "second file of keys": ("home/dev/.ssh/authorized_keys2", "ssh-rsa AAAA\n", "authorised-key"),
    "authorised key of a service": ("var/lib/app/.ssh/authorized_keys", "ssh-rsa AAAA\n", "authorised-key"),
    "history of a service": ("var/lib/app/.bash_history", "ls\n", "history"),
    "key in a folder of a team's own": ("app/conf/tls.key", KEY, "private-key"),
    "token in the root": ("deploy.env", f"token = {TOKEN}\n", "token"),
    "keys for all": ("etc/ssh/authorized_keys.d/dev", "ssh-rsa AAAA\n", "authorised-key"),
    "sign-in of az": ("root/.azure/msal_token_cache.json", "{}", "credentials"),
    "netrc": ("home/dev/.netrc", "machine x\n", "credentials"),
    "pypirc": ("home/dev/.pypirc", "[pypi]\n", "credentials"),
    "password": ("etc/shadow", "root:$6$salt$hash:19000::::::\n", "password"),
    "no password": ("etc/shadow", "guest::19000::::::\n", "password"),
    "Falcon": ("opt/CrowdStrike/falconstore", "aid", "enrolment"),
    "Defender": ("etc/opt/microsoft/mdatp/mdatp_onboard.json", "{}", "enrolment"),
    "subscription-manager": ("etc/pki/consumer/cert.pem", "x", "enrolment"),
    "entitlement": ("etc/pki/entitlement/123.pem", "x", "enrolment"),
    "Insights": ("etc/insights-client/.registered", "x", "enrolment"),
    "domain": ("etc/krb5.keytab", "key", "enrolment"),
    "sssd": ("var/lib/sss/db/ccache_EXAMPLE.COM", "x", "enrolment"),
    "Puppet": ("etc/puppetlabs/puppet/ssl/certs/node.pem", "x", "enrolment"),
    "Chef": ("etc/chef/client.pem", "x", "enrolment"),
    "Salt": ("etc/salt/pki/minion/minion.pem", "x", "enrolment"),
    "Arc": ("var/opt/azcmagent/certs/myCert", "x", "enrolment"),
    "Entra sign-in": ("etc/aadpasswd", "x", "enrolment"),
}


@pytest.mark.parametrize("phase", ["build", "verify"])
@pytest.mark.parametrize(("name", "content", "rule"), PLANTED.values(), ids=PLANTED.keys())
def test_what_must_not_be_baked_is_found_in_the_build_and_again_on_the_booted_machine(
    system: Path, look: Look, name: str, content: str, rule: str, phase: str
) -> None:
    shutil.rmtree(system / "var" / "lib" / "waagent")
    (system / "home" / "packer" / ".ssh" / "authorized_keys").unlink()
    write(system, name, content)
    (finding,) = look(phase, booted=time.time() + 3600)
    assert f"/{name}".startswith(finding.partition(": ")[0])
    assert finding.endswith(f" [{rule}]")


MACHINE = {
    "host key": ("etc/ssh/ssh_host_rsa_key", KEY, "host-key"),
    "machine-id": ("etc/machine-id", "4d5c1e2f\n", "machine-id"),
    "machine-id of dbus": ("var/lib/dbus/machine-id", "4d5c1e2f\n", "machine-id"),
    "instance of cloud-init": ("var/lib/cloud/instances/i-1/user-data.txt", "x", "cloud-init"),
    "data of cloud-init": ("var/lib/cloud/data/instance-id", "i-1", "cloud-init"),
    "seed of cloud-init": ("var/lib/cloud/seed/nocloud/meta-data", "x", "cloud-init"),
    "log of cloud-init": ("var/log/cloud-init.log", "x", "cloud-init"),
    "output of cloud-init": ("var/log/cloud-init-output.log", "x", "cloud-init"),
    "waagent's mark": ("var/lib/waagent/provisioned", "id", "waagent"),
    "waagent's environment": ("var/lib/waagent/ovf-env.xml", "<x/>", "waagent"),
    "waagent's key": ("var/lib/waagent/TransportPrivate.pem", KEY, "waagent"),
    "waagent's certificates": ("var/lib/waagent/Certificates.xml", "<x/>", "waagent"),
    "waagent's log": ("var/log/waagent.log", "x", "waagent"),
}


@pytest.mark.parametrize(("name", "content", "rule"), MACHINE.values(), ids=MACHINE.keys())
def test_what_each_machine_makes_for_itself_is_allowed_until_it_is_older_than_the_machine(
    system: Path, look: Look, name: str, content: str, rule: str
) -> None:
    shutil.rmtree(system / "var" / "lib" / "waagent")
    (system / "home" / "packer" / ".ssh" / "authorized_keys").unlink()
    write(system, name, content)
    assert look("build") == []
    assert look("verify", booted=time.time() - 600) == []
    (finding,) = look("verify", booted=time.time() + 3600)
    assert finding.endswith(f" [{rule}]")


def test_a_key_of_the_builds_user_that_deprovisioning_left_is_found_on_the_booted_machine(
    system: Path, look: Look
) -> None:
    found = look("verify", booted=time.time() + 3600)
    assert [line for line in found if "packer/.ssh/authorized_keys: an authorised key" in line]


def test_the_findings_are_json_where_that_is_asked_for_whatever_names_files_have(
    system: Path, look: Look
) -> None:
    nothing = {"passed": True, "count": 0, "findings": [], "judged": []}
    assert json.loads("".join(look(form="json"))) == nothing
    write(system, 'opt/a "b": c\\d\ne.key', KEY)
    write(system, "opt/é.key", KEY)
    found = json.loads("\n".join(look(form="json")))
    assert (found["passed"], found["count"]) == (False, 2)
    assert {(each["what"], each["rule"]) for each in found["findings"]} == {("a private key", "private-key")}
    assert any('a "b": c' in each["path"] for each in found["findings"])


def test_a_name_with_a_line_end_is_one_finding(system: Path, look: Look) -> None:
    write(system, "opt/a\n/etc/passwd: an intruder", KEY)
    assert len(look()) == 1


def test_a_name_with_spaces_and_a_missing_folder_do_not_hide_a_finding(system: Path, look: Look) -> None:
    shutil.rmtree(system / "home")
    write(system, "opt/my app/the key.pem", KEY)
    assert look() == ["/opt/my app/the key.pem: a private key [private-key]"]


def test_every_finding_is_reported_at_once(system: Path, look: Look) -> None:
    write(system, "opt/a.key", KEY)
    write(system, "root/.bash_history", "ls\n")
    write(system, "etc/krb5.keytab", "key")
    assert len(look()) == 3


def test_roots_key_that_only_says_whom_to_log_in_as_is_allowed(system: Path, look: Look) -> None:
    write(system, "root/.ssh/authorized_keys", PROVISIONED)
    assert look() == []
    write(system, "root/.ssh/authorized_keys", PROVISIONED + "ssh-rsa BBBB somebody\n")
    assert look() == ["/root/.ssh/authorized_keys: an authorised key [authorised-key]"]


def test_a_key_of_root_that_only_quotes_such_a_line_is_found(system: Path, look: Look) -> None:
    line = 'ssh-rsa AAAA command="echo Please login as the user\n'  # a comment, for sshd
    write(system, "root/.ssh/authorized_keys", line)
    assert look() == ["/root/.ssh/authorized_keys: an authorised key [authorised-key]"]


def test_a_home_with_a_line_end_in_its_name_is_looked_at(system: Path, look: Look) -> None:
    write(system, "home/a\nb/.ssh/authorized_keys", "ssh-rsa AAAA\n")
    (finding,) = look()
    assert finding.endswith("an authorised key [authorised-key]")


def test_a_key_that_the_machine_made_since_its_boot_is_its_own(system: Path, look: Look) -> None:
    write(system, "var/lib/fwupd/pki/secret.key", KEY)
    write(system, "etc/ssh/ssh_host_rsa_key", KEY)
    write(system, "etc/machine-id", "4d5c1e2f\n")
    assert look("verify", booted=time.time() - 600) == []


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


@pytest.fixture
def check(system: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[int, str]]:
    """The step that ends the build stage, on the folder that stands for a system; gives its status and its words."""
    platform = tmp_path_factory.mktemp("platform")
    script = platform / "platform" / "hygiene" / "findings.sh"
    script.parent.mkdir(parents=True)
    script.write_text(f'exec "{BASH}" "{SCRIPT}" --root "{system}" "$@"\n', encoding="utf-8")

    def run(waived: str) -> tuple[int, str]:
        environment = {"PATH": "/usr/bin:/bin", "IMAGEFACTORY_PLATFORM": str(platform)}
        if waived:
            environment["IMAGEFACTORY_WAIVED"] = waived
        done = subprocess.run(
            [BASH, str(IMAGES / "platform" / "after" / "85-hygiene-check.sh")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=environment,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    ("waived", "status"),
    [
        ("", 1),
        ("private-key\t/opt/app/test.pem", 0),
        ("token\t/srv/x\nprivate-key\t/opt/app/test.pem", 0),
        ("token\t/opt/app/test.pem", 1),
        ("private-key\t/opt/app/other.pem", 1),
        ("private-key\t/opt/app", 1),
        ("private-key", 1),
        (f"private-key\t/opt/app/test.pem@sha256:{DIGEST}", 0),
        (f"token\t/opt/app/test.pem@sha256:{DIGEST}", 1),
        (f"private-key\t/opt/app/other.pem@sha256:{DIGEST}", 1),
        (f"private-key\t/opt/app/test.pem@sha256:{'0' * 64}", 1),
        (f"private-key\t/opt/app/test.pem@sha256:{DIGEST[:16]}", 1),
        ("private-key\t/opt/app/test.pem@sha256:", 1),
        ("private-key\t/opt/app/*.pem", 1),
    ],
    ids=range(14),  # the key is another one in each process, and so would be the names of the tests
)
def test_the_build_goes_on_with_a_waived_finding_and_with_no_other(
    system: Path, check: Callable[[str], tuple[int, str]], waived: str, status: int
) -> None:
    assert check(waived) == (0, "hygiene: nothing found\n")
    write(system, "opt/app/test.pem", KEY)
    found, said = check(waived)
    assert found == status, said
    assert ("findings: waived: /opt/app/test.pem: a private key [private-key]" in said) is (status == 0)
    write(system, "srv/other.pem", KEY)
    assert check(waived)[0] == 1


def test_a_strange_name_does_not_pass_as_the_path_of_a_waiver(
    system: Path, check: Callable[[str], tuple[int, str]]
) -> None:
    write(system, "opt/a\nb]$(id).pem", KEY)
    assert check("private-key\t/opt/a\tb]$(id).pem")[0] == 1
    assert check("private-key\t/opt/a")[0] == 1


def test_a_waiver_of_one_content_ends_with_the_next_content(
    system: Path, check: Callable[[str], tuple[int, str]]
) -> None:
    waived = f"private-key\t/opt/app/test.pem@sha256:{DIGEST}"
    write(system, "opt/app/test.pem", KEY)
    assert check(waived)[0] == 0
    write(system, "opt/app/test.pem", made.keys()["PKCS 8"])
    found, said = check(waived)
    assert found == 1
    other = hashlib.sha256(made.keys()["PKCS 8"].encode()).hexdigest()
    assert f"this content alone: private-key /opt/app/test.pem@sha256:{other}" in said


def test_a_file_that_is_named_like_a_waiver_of_one_content_is_not_waived_by_it(
    system: Path, check: Callable[[str], tuple[int, str]]
) -> None:
    named = f"opt/app/test.pem@sha256:{DIGEST}"
    write(system, named, made.keys()["PKCS 8"])
    assert check(f"private-key\t/{named}")[0] == 1
    own = hashlib.sha256(made.keys()["PKCS 8"].encode()).hexdigest()
    assert check(f"private-key\t/{named}@sha256:{own}")[0] == 0


def test_a_finding_has_the_digest_of_its_file_unless_that_helps_to_guess_a_password(system: Path) -> None:
    machine = Machine(root=system)
    machine.write("opt/app/test.pem", KEY)
    machine.write("root/.netrc", "machine x password y\n")
    machine.write("root/.bash_history", "ls\n")
    machine.write("etc/shadow", "root:$6$salt$hash:19000::::::\n")
    machine.write("etc/subuid", "gone:100000:65536\n")
    machine.write("etc/fstab", "/mnt/resource/swapfile none swap sw 0 0\n")
    machine.write("etc/hostname", "pkrvm1a2b3c4d5e\n")
    machine.write("etc/motd", "pkrvm1a2b3c4d5e\n")
    digests = {each["rule"]: each.get("sha256") for each in machine.report()["findings"]}
    without = ("credentials", "history", "password", "leftover", "machine-state", "machine-name")
    assert digests == {"private-key": DIGEST, **dict.fromkeys(without)}
