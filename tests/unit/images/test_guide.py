"""The guide's content is found, pinned and used: scripts of `platform/scap` and `platform/roots` with fake tools."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.images.places import IMAGES

pytestmark = pytest.mark.process

BASH = shutil.which("bash") or "/bin/bash"
GUIDE = b"<the guide/>"
GUIDE_ID = "scap-security-guide"
PACKAGED = "/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml"


def archive() -> bytes:
    """A release archive as the guide's project makes it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as into:
        into.writestr("scap-security-guide-0.1.80/ssg-rhel9-ds.xml", GUIDE)
        into.writestr("scap-security-guide-0.1.80/ssg-rhel8-ds.xml", b"another")
    return packed.getvalue()


class Machine:
    """A folder that stands for a machine in a build. `calls` has what the tools were called with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, folder / "calls"
        self.calls.write_text("", "utf-8")
        shutil.copytree(IMAGES / "platform", folder / "platform" / "platform")
        shutil.copy(IMAGES / "catalog.json", folder / "platform" / "catalog.json")
        self.settings()
        (folder / "tools").mkdir()
        self.tool("curl", ":")
        self.tool("dnf", ":")
        self.tool("rpm", f'[[ -e "{folder}/installed-$3" ]]')
        self.tool("ansible-playbook", ":")
        self.tool("oscap", f'while (($#)); do [[ $1 == --output ]] && echo made >"$2"; shift; done; exit {0}')

    def tool(self, name: str, body: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.calls}"\n{body}\n', encoding="utf-8")
        path.chmod(0o755)

    def catalog(self, sent: bytes, *, digest: str = "") -> None:
        """The catalog has a release archive, and the builder has sent `sent` under the digest that is pinned."""
        pinned = digest or hashlib.sha256(sent).hexdigest()
        (self.folder / "tools" / pinned).write_bytes(sent)
        entry = {
            "id": "scap-security-guide",
            "version": "0.1.80",
            "url": "https://example.com/a.zip",
            "sha256": pinned,
        }
        text = json.dumps({"hosts": ["example.com"], "entries": [entry]})
        (self.folder / "platform" / "catalog.json").write_text(text, encoding="utf-8")

    def settings(self, **values: object) -> None:
        path = self.folder / "platform" / "platform" / "scap" / "settings.json"
        given = {"harden": "cis_server_l1", "sha256": None, **values}
        path.write_text(json.dumps(given), encoding="utf-8")

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "IMAGEFACTORY_PLATFORM": str(self.folder / "platform"),
            "IMAGEFACTORY_TOOLS": str(self.folder / "tools"),
            "TMPDIR": str(self.folder),
        }
        command = [BASH, str(self.folder / "platform" / "platform" / script), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def called(self, tool: str) -> list[str]:
        return [line for line in self.calls.read_text("utf-8").splitlines() if line.startswith(f"{tool} ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_an_archive_red_hats_package_is_the_content(machine: Machine) -> None:
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.stdout.splitlines() == [PACKAGED], done.stderr
    assert "install scap-security-guide" in machine.called("dnf")[0]
    assert "nothing pins the content" in done.stderr


def test_the_shipped_settings_take_red_hats_package(machine: Machine) -> None:
    shipped = json.loads((IMAGES / "platform" / "scap" / "settings.json").read_text("utf-8"))
    machine.settings(**shipped)
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.stdout.splitlines() == [PACKAGED], done.stderr
    assert machine.called("curl") == []


def test_the_documented_entry_is_a_release_of_the_guides_project_on_a_listed_host() -> None:
    page = (IMAGES.parent / "docs" / "hardening.md").read_text("utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    entry = json.loads(block)
    catalog = json.loads((IMAGES / "catalog.json").read_text("utf-8"))
    assert entry["id"] == GUIDE_ID
    assert urlsplit(entry["url"]).hostname in catalog["hosts"]
    name = f"v{entry['version']}/scap-security-guide-{entry['version']}.zip"
    assert entry["url"] == f"https://github.com/ComplianceAsCode/content/releases/download/{name}"
    (sha512,) = re.findall(r"\b[0-9a-f]{128}\b", page)
    assert f"{sha512}  {entry['url'].rpartition('/')[2]}" in page  # as `sha512sum --check` reads it


def test_an_archive_of_the_catalog_is_verified_and_unpacked(machine: Machine) -> None:
    machine.catalog(archive())
    machine.settings(sha256=hashlib.sha256(GUIDE).hexdigest())
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == GUIDE
    assert machine.called("dnf") == []
    assert machine.called("curl") == []  # the builder has sent it
    assert "nothing pins the content" not in done.stderr


def test_an_archive_with_another_digest_is_refused(machine: Machine) -> None:
    machine.catalog(archive(), digest="1" * 64)
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.returncode != 0
    assert "the guide's archive is another one than the catalog pins" in done.stderr
    assert done.stdout == ""


def test_an_archive_of_older_settings_is_not_left_out_in_silence(machine: Machine) -> None:
    machine.settings(archive={"version": "0.1.80", "url": "https://example.com/b.zip", "sha512": "0" * 128})
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.returncode == 1
    assert "name it in catalog.json as scap-security-guide" in done.stderr
    assert machine.called("dnf") == []


def test_an_archive_that_was_not_sent_is_not_replaced_by_the_package(machine: Machine) -> None:
    machine.catalog(archive())
    for sent in (machine.folder / "tools").iterdir():
        sent.unlink()
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.returncode != 0
    assert "the builder has not sent the guide's archive" in done.stderr
    assert machine.called("dnf") == machine.called("curl") == []


def test_content_that_is_not_the_pinned_one_is_refused(machine: Machine) -> None:
    machine.catalog(archive())
    machine.settings(sha256="2" * 64)
    done = machine.run("scap/content.sh", str(machine.folder))
    assert done.returncode != 0
    assert "is not the content that settings.json pins" in done.stderr
    assert done.stdout == ""


def test_a_catalog_that_cannot_be_read_is_not_taken_for_one_without_the_guide(machine: Machine) -> None:
    (machine.folder / "platform" / "catalog.json").write_text("{", encoding="utf-8")
    assert machine.run("scap/content.sh", str(machine.folder)).returncode != 0
    assert machine.called("dnf") == []


def test_a_base_is_hardened_by_the_playbook_that_the_guide_writes(machine: Machine) -> None:
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 0, done.stderr
    scan, fix = machine.called("oscap")
    tailoring = str(machine.folder / "platform/platform/scap/tailoring-cis_server_l1.xml")
    assert f"--profile cis_server_l1 --tailoring-file {tailoring}" in scan
    assert f"--fix-type ansible --result-id  --tailoring-file {tailoring}" in fix
    assert scan.endswith(PACKAGED)
    (play,) = machine.called("ansible-playbook")
    assert play.endswith("guide.yml")


def test_what_only_the_hardening_needs_is_removed_and_what_was_there_stays(machine: Machine) -> None:
    (machine.folder / "installed-openscap-scanner").touch()
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 0, done.stderr
    assert machine.called("dnf")[-1].endswith("remove scap-security-guide rhc-worker-playbook")


def test_a_package_that_does_not_go_fails_the_build(machine: Machine) -> None:
    machine.tool(
        "dnf", f'[[ $* == *remove* ]] && touch "{machine.folder}/installed-rhc-worker-playbook"; true'
    )
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 1
    assert "rhc-worker-playbook is still installed" in done.stderr


def test_a_playbook_that_fails_fails_the_build_with_its_last_lines(machine: Machine) -> None:
    machine.tool("ansible-playbook", "echo 'fatal: no such option'; exit 2")
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 1
    assert "fatal: no such option" in done.stderr


def test_a_scan_that_could_not_look_fails_the_build(machine: Machine) -> None:
    machine.tool("oscap", "exit 1")
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 1
    assert "oscap ended with 1" in done.stderr
    assert machine.called("ansible-playbook") == []


def test_secops_may_leave_the_hardening_to_the_role(machine: Machine) -> None:
    machine.settings(harden=None)
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 0
    assert machine.called("oscap") == []


def test_a_profile_without_tailoring_is_refused(machine: Machine) -> None:
    machine.settings(harden="pci-dss")
    done = machine.run("roots/05-guide.sh")
    assert done.returncode == 1
    assert "tailoring-pci-dss.xml" in done.stderr
