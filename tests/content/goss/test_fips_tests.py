"""The tests of FIPS mode, asked by the real goss: each part of the proof is a test of its own, which fails alone."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.content.goss import runs
from tests.content.goss.runs import IMAGES
from tests.unit.images import fips_machine

pytestmark = [pytest.mark.timeout(300), pytest.mark.content]

FILES = IMAGES / "platform" / "verify" / "fips.yaml"
TITLES = {
    "kernel": "FIPS mode of the kernel",
    "boot": "FIPS mode at each start",
    "updates": "FIPS mode of a kernel that an update brings",
    "policy": "crypto policy of FIPS",
    "sub-policy": "sub-policy of FIPS",
    "files": "programs and libraries of FIPS mode",
}


def _failed(machine: Path, bundle: Path, tools: Path) -> set[str]:
    """The titles of the tests that fail. The variables are those that the verify stage gives, and a machine's place."""
    environment = {
        "PATH": f"{tools}:{runs.PATH}",
        "IMAGEFACTORY_PLATFORM": str(bundle),
        "IMAGEFACTORY_SYSTEM": str(machine),
    }
    command = [str(runs.program()), "--gossfile", str(FILES), "validate", "--format", "json", "--no-color"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    report = json.loads(done.stdout[done.stdout.find("{") :])
    assert report["summary"]["test-count"] >= 8
    return {each["resource-id"] for each in report["results"] if not each["successful"]}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The platform steps, with a list of packages that vouches for what a file names."""
    folder = tmp_path / "bundle"
    for part in ("fips", "hygiene"):
        shutil.copytree(IMAGES / "platform" / part, folder / "platform" / part)
    known = tmp_path / "known"
    (folder / "platform" / "hygiene" / "scanner" / "provenance" / "rpms.py").write_text(
        "import json\nclass Rpms:\n"
        "    def __init__(self, root, note): self.root = root\n"
        f"    def vouch(self, path, sha256): return sha256 if json.load(open({str(known)!r})).get("
        "path[len(self.root):]) == sha256 else None\n",
        "utf-8",
    )
    return folder


def test_each_part_is_a_test_that_fails_alone(tmp_path: Path, bundle: Path) -> None:
    machine, tools = tmp_path / "machine", tmp_path / "tools"
    fips_machine.make(machine)
    (tmp_path / "known").write_text(json.dumps(fips_machine.packages(machine)), "utf-8")
    tools.mkdir()
    asked = tools / "fips-mode-setup"
    asked.write_text("#!/bin/sh\necho 'FIPS mode is enabled.'\n", "utf-8")
    asked.chmod(0o755)
    assert _failed(machine, bundle, tools) == set()
    fips_machine.write(machine, "proc/sys/crypto/fips_enabled", "0\n")
    assert _failed(machine, bundle, tools) == {TITLES["kernel"]}
    fips_machine.write(machine, "proc/sys/crypto/fips_enabled", "1\n")
    fips_machine.write(machine, fips_machine.ENTRY, "options root=/dev/x fips=0\n")
    assert _failed(machine, bundle, tools) == {TITLES["boot"]}
    fips_machine.write(machine, fips_machine.ENTRY, "options root=/dev/x fips=1\n")
    fips_machine.set_policy(machine, "DEFAULT")
    assert _failed(machine, bundle, tools) == {TITLES["policy"]}
    fips_machine.set_policy(machine, "FIPS:AD-SUPPORT")
    assert _failed(machine, bundle, tools) == {TITLES["sub-policy"]}
    fips_machine.set_policy(machine, "FIPS")
    fips_machine.write(machine, "etc/kernel/cmdline", "root=/dev/x\n")
    assert _failed(machine, bundle, tools) == {TITLES["updates"]}
    fips_machine.write(machine, "etc/kernel/cmdline", "root=/dev/x fips=1\n")
    fips_machine.write(machine, "usr/bin/fips-mode-setup", "#!/bin/sh\necho 'FIPS mode is enabled.'\n")
    assert _failed(machine, bundle, tools) == {TITLES["files"]}
