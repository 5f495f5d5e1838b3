"""Ordinary software is not a finding: small packages as the known ones are, and the cases of the field."""

import shutil
import subprocess
from pathlib import Path

import pytest
from scanner.secrets import keys, published

from tests.unit.images.hygiene import made
from tests.unit.images.hygiene.machine import BASH, SCRIPT, Machine

pytestmark = pytest.mark.process

_SITE = "opt/app/venv/lib/python3.11/site-packages"
_MODULES = "usr/local/lib/node_modules"
_GO = "usr/local/go/src/crypto"
# Beside the repository, or beside the folder of its work trees.
_CASES = tuple(folder / "shared" / "cases" for folder in Path(__file__).parents[5:7])

# No package manager vouches for these: the content alone decides.
SOFTWARE = {
    "PyJWT's description": (
        f"{_SITE}/pyjwt-2.0.dist-info/METADATA",
        f"Usage::\n\n    >>> encoded\n    {made.jwt({'some': 'payload'}, secret='secret')}\n",
    ),
    "botocore's examples": (
        f"{_SITE}/botocore/data/iam/examples-1.json",
        '{"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Other": "AKIA111111111EXAMPLE"}\n',
    ),
    "Twisted's reader of keys": (
        f"{_SITE}/twisted/conch/ssh/keys.py",
        'if data.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----"):\n'
        '    lines = [b"-----BEGIN RSA PRIVATE KEY-----"]\n',
    ),
    "google-auth's documentation": (
        f"{_SITE}/google/oauth2/gdch_credentials.py",
        '    "private_key": "-----BEGIN EC PRIVATE KEY-----\\n<key bytes>\\n-----END EC PRIVATE KEY-----\\n",\n',
    ),
    "python3-saml's formatter": (
        f"{_SITE}/onelogin/saml2/utils.py",
        "    key = '-----BEGIN PRIVATE KEY-----\\n' + '\\n'.join(lines) + '\\n-----END PRIVATE KEY-----\\n'\n",
    ),
    "azure-cli-core's check of a key": (
        f"{_SITE}/azure/cli/core/keys.py",
        '    return "-----BEGIN OPENSSH PRIVATE KEY-----\\n" in text\n',
    ),
    "npm's manual": (
        f"{_MODULES}/npm/docs/content/using-npm/config.md",
        'key="-----BEGIN PRIVATE KEY-----\\nXXXX\\nXXXX\\n-----END PRIVATE KEY-----"\n',
    ),
    "ssh2's writer of keys": (
        f"{_MODULES}/ssh2/lib/keygen.js",
        "    const header = `-----BEGIN OPENSSH PRIVATE KEY-----\\n${b64}\\n-----END OPENSSH PRIVATE KEY-----`;\n",
    ),
    "Go's way to write a test key": (
        f"{_GO}/tls/tls_test.go",
        f"var rsaKeyPEM = testingKey(`{made.key().replace('PRIVATE KEY', 'TESTING KEY')}`)\n",
    ),
    "a JDK's authorities": ("opt/jdk/lib/security/cacerts", made.pem("CERTIFICATE", made.noise(900, seed=1))),
}


@pytest.mark.parametrize(("name", "content"), SOFTWARE.values(), ids=SOFTWARE.keys())
def test_ordinary_software_is_not_a_finding(machine: Machine, name: str, content: str) -> None:
    machine.write(name, content)
    assert machine.look() == []
    assert [line for line in machine.look("verify", booted=2**33) if name in line] == []


@pytest.mark.parametrize(("name", "content"), SOFTWARE.values(), ids=SOFTWARE.keys())
@pytest.mark.parametrize("secret", [made.key(), made.token()], ids=["key", "token"])
def test_a_secret_in_ordinary_software_is_found(
    machine: Machine, name: str, content: str, secret: str
) -> None:
    machine.write(name, f"{content}\n{secret}\n")
    (finding,) = machine.look()
    assert finding.startswith(f"/{name}: ")


def test_a_key_of_a_public_source_tree_is_known_by_its_digest(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(f"{_GO}/tls/testdata/example-key.pem", made.key())
    assert len(machine.look()) == 1
    (seen,) = keys.find_keys(made.key().encode())
    monkeypatch.setattr(published, "KEYS", frozenset((seen.body,)))
    assert machine.look() == []
    machine.write(f"{_GO}/tls/testdata/example-key.pem", made.key() + made.keys()["Ed25519"])
    assert len(machine.look()) == 1


def _case(number: str, target: Path) -> Machine:
    """A case of the field, made in a folder of its own; skipped where the folder of the cases is not there."""
    found = [case for folder in _CASES for case in folder.glob(f"{number}-*")]
    if not found:
        pytest.skip("the cases of the field are not beside the repository (../shared/cases)")
    folder = target / "case"
    shutil.copytree(found[0], folder)
    if (folder / "make.sh").exists():
        subprocess.run([BASH, "make.sh"], cwd=folder, check=True, capture_output=True, timeout=60)
    return Machine(root=folder / "root")


def test_case_01_the_rule_of_sudo_for_the_user_of_the_build(tmp_path: Path) -> None:
    (finding,) = _case("01", tmp_path).look()
    assert finding.startswith("/etc/sudoers.d/90-cloud-init-users: ")


def test_case_02_a_sample_token_in_the_description_of_a_package(tmp_path: Path) -> None:
    assert _case("02", tmp_path).look() == []


def test_case_03_the_words_of_a_key_in_a_package(tmp_path: Path) -> None:
    (finding,) = _case("03", tmp_path).look()
    assert finding.endswith("/acme/test/test.key: a private key [private-key]")


def test_case_18_agents_that_know_who_they_are(tmp_path: Path) -> None:
    found = _case("18", tmp_path).look()
    assert len(found) == 5
    assert all(line.endswith("[enrolment]") for line in found)


def test_the_twins_of_the_cases(tmp_path: Path, machine: Machine) -> None:
    """The same four, made here."""
    root = "root:x:0:0:root:/root:/bin/bash\n"
    one = Machine(root=tmp_path / "1")
    one.write("etc/passwd", root)
    one.write("etc/sudoers.d/90-cloud-init-users", "packer ALL=(ALL) NOPASSWD:ALL\n")
    assert len(one.look()) == 1
    machine.write(f"{_SITE}/acmetoken-1.0.dist-info/METADATA", f"    {made.jwt({'hello': 'reader'})}\n")
    machine.write(
        f"{_SITE}/acme/keys.py",
        '"""A file begins with\n\n    -----BEGIN OPENSSH PRIVATE KEY-----\n\nand then."""\n',
    )
    assert machine.look() == []
    machine.write(f"{_SITE}/acme/test/test.key", made.key())
    for name in ("etc/tenable_tag", "etc/qualys/hostid", "var/ossec/etc/client.keys"):
        machine.write(name, "1")
    for name in ("opt/splunkforwarder/etc/instance.cfg", "opt/Elastic/Agent/fleet.enc"):
        machine.write(name, "1")
    assert sorted(line.rpartition("[")[2] for line in machine.look()) == ["enrolment]"] * 5 + ["private-key]"]


@pytest.mark.parametrize("python", ["python3.9", "python3"])
def test_the_script_runs_with_the_guests_python(machine: Machine, tmp_path: Path, python: str) -> None:
    program = shutil.which(python)
    if program is None or subprocess.run([program, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no {python} on the PATH")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3").symlink_to(program)
    machine.write("opt/app/tls.key", made.key())
    done = subprocess.run(
        [BASH, str(SCRIPT), "--phase", "build", "--root", str(machine.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": f"{tools}:/usr/bin:/bin"},
    )
    assert (done.stdout, done.returncode) == ("/opt/app/tls.key: a private key [private-key]\n", 0), (
        done.stderr
    )
