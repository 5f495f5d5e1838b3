"""The verify stage in the guest: its script run with tools that only pretend, its result files read by the builder."""

import ast
import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from builder.results import checks
from builder.results.checks import Results
from pipeline_core.wire.job import Tests as Asked
from tests.unit.builder.results import scan_files
from tests.unit.images import firewall_answers
from tests.unit.images.places import IMAGES

pytestmark = pytest.mark.process

BASH = shutil.which("bash") or "/bin/bash"
RESULTS = IMAGES / "platform" / "verify" / "results.py"
PROGRAMS = sorted((IMAGES / "platform").rglob("*.py"))
_NAMED = {"resource-type": "File", "resource-id": "/etc/x", "property": "exists"}
GOOD = _NAMED | {"summary-line": "Service: sshd: running: matches", "successful": True, "result": 0}
BAD = _NAMED | {"summary-line": "File: /etc/x: exists:\ndoes not match", "successful": False, "result": 1}
BASH_RPM = r"bash\t(none)\t5.1.8\t9.el9\tx86_64\tRed Hat, Inc.\tbash-5.1.8-9.el9.src.rpm\tGPLv3+\t(none)\n"
SSHD = 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))'
SCAN = scan_files.xccdf(score="97.5", profile="xccdf_org.ssgproject.content_profile_cis_server_l1")


def goss_report(*tests: dict[str, Any]) -> str:
    failed = sum(1 for test in tests if not test["successful"])
    return json.dumps({"results": tests, "summary": {"test-count": len(tests), "failed-count": failed}})


class Guest:
    """A folder that stands for the booted machine: the platform as unpacked, and tools that only pretend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.results.mkdir()
        (folder / "tmp").mkdir()
        shutil.copytree(IMAGES / "platform", folder / "platform" / "platform")
        shutil.copytree(IMAGES / "roles", folder / "platform" / "roles")
        (folder / "sent").mkdir()
        self.findings()
        self.tool("rpm", f"printf '{BASH_RPM}'")
        self.dnf("")
        self.listening(SSHD)
        self.zone(services="dhcpv6-client ssh")
        self.goss(goss_report(GOOD))
        self.oscap(0, SCAN)

    def tool(self, name: str, body: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def findings(self, *found: dict[str, str], judged: Sequence[dict[str, str]] = ()) -> None:
        script = self.folder / "platform" / "platform" / "hygiene" / "findings.sh"
        said = json.dumps({"passed": not found, "count": len(found), "findings": found, "judged": [*judged]})
        script.write_text(f"cat <<'END'\n{said}\nEND\n", encoding="utf-8")

    def goss(self, report: str, *, digest: str = "") -> None:
        """What goss answers; the builder has sent this goss under the digest that the catalog pins."""
        self.send_goss(f"cat <<'END'\n{report}\nEND\nexit 1\n", digest=digest)

    def send_goss(self, body: str, *, digest: str = "") -> None:
        """The builder has sent a goss that does `body`, and the catalog pins its digest, or this one."""
        content = f"#!/bin/bash\n{body}".encode()
        pinned = digest or hashlib.sha256(content).hexdigest()
        (self.folder / "sent" / pinned).write_bytes(content)
        entry = {"id": "goss", "version": "1", "url": "https://example.com/goss", "sha256": pinned}
        catalog = self.folder / "platform" / "catalog.json"
        catalog.write_text(json.dumps({"hosts": ["example.com"], "entries": [entry]}), encoding="utf-8")

    def listening(self, *lines: str) -> None:
        """What `ss` prints."""
        self.tool("ss", "cat <<'END'\n" + "\n".join(lines) + "\nEND")

    def zone(self, *, code: int = 0, ssh: str = "22/tcp", policy: str = "", **kinds: str) -> None:
        """What firewalld says of its default zone, of the service ssh, and of active policies."""
        body = firewall_answers.program(code=code, ssh=ssh, policy=policy, kinds=kinds)
        self.tool("firewall-cmd", body)

    def dnf(self, lines: str, *, code: int = 0) -> None:
        """What dnf tells of installed advisories; of those that are available it tells nothing."""
        told = f"cat <<'END'\n{lines}\nEND" if lines else ":"
        self.tool("dnf", f"if [[ $* == *--installed ]]; then\n{told}\nfi\nexit {code}")

    def oscap(self, code: int, report: str) -> None:
        """What oscap ends with and leaves; how it was called stands in `called`."""
        (self.folder / "report.xml").write_text(report, encoding="utf-8")
        body = f'echo "$*" >"{self.folder}/called"\nwhile (($#)); do case $1 in\n'
        body += f'--results) cp "{self.folder}/report.xml" "$2" ;;\n--report) echo page >"$2" ;;\nesac; shift; done'
        self.tool("oscap", f"{body}\nexit {code}")

    def verify(
        self, *smoke: str, goss: str = "", profile: str = "", tailoring: str = "", serves: str = ""
    ) -> subprocess.CompletedProcess[str]:
        paths = []
        for number, body in enumerate(smoke):
            path = self.folder / f"smoke-{number}.sh"
            path.write_text(f"{body}\n", encoding="utf-8")
            paths.append(str(path))
        environment = {
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "IMAGEFACTORY_PLATFORM": str(self.folder / "platform"),
            "IMAGEFACTORY_RESULTS": str(self.results),
            "IMAGEFACTORY_ROOT": str(self.folder),
            "IMAGEFACTORY_GOSS": goss,
            "IMAGEFACTORY_PROFILE": profile,
            "IMAGEFACTORY_SERVES": serves,
            "IMAGEFACTORY_TAILORING": tailoring,
            "IMAGEFACTORY_TOOLS": str(self.folder / "sent"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        script = self.folder / "platform" / "platform" / "verify" / "run.sh"
        return subprocess.run(
            [BASH, str(script), *paths],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def read(self, *, goss: str = "", smoke: tuple[str, ...] = (), profile: str = "") -> Results:
        """What the builder makes of the result files."""
        files = {path.name: path.read_bytes() for path in self.results.iterdir()}
        return checks.of_verify(files, Asked(goss=goss, smoke=smoke, profile=profile), simulated=False)

    def checks(self, *, goss: str = "", smoke: tuple[str, ...] = ()) -> dict[str, bool]:
        """The builder's checks."""
        return {check.name: check.passed for check in self.read(goss=goss, smoke=smoke).checks}

    def named(self) -> list[tuple[str, str, str]]:
        """The findings as the gate knows them: kind, rule or name of the test, and path."""
        (check,) = [each for each in self.read().checks if each.name == "hygiene"]
        assert check.unnamed == 0
        return [(each.kind, each.rule, each.path) for each in check.findings]


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_a_good_machine_passes_every_check_that_was_asked_for(guest: Guest) -> None:
    done = guest.verify("echo fine", goss="team.yaml", profile="cis_server_l1")
    assert done.returncode == 0, done.stderr
    found = guest.read(goss="team.yaml", smoke=("smoke-0.sh",), profile="cis_server_l1")
    assert {check.name: check.passed for check in found.checks} == dict.fromkeys(
        ("boot", "goss", "smoke", "hygiene"), True
    )
    assert found.scan is not None
    assert found.scan.score == 97.5
    packages = json.loads((guest.results / "packages.json").read_text("utf-8"))
    assert packages == [
        {
            "name": "bash",
            "version": "5.1.8",
            "release": "9.el9",
            "arch": "x86_64",
            "vendor": "Red Hat, Inc.",
            "source": "bash-5.1.8-9.el9.src.rpm",
            "license": "GPLv3+",
        }
    ]
    assert all(path.stat().st_mode & 0o004 for path in guest.results.iterdir())


def test_hygiene_and_packages_are_reported_though_nothing_was_asked_for(guest: Guest) -> None:
    assert guest.verify().returncode == 0
    found = {path.name for path in guest.results.iterdir()}
    assert found == {"hygiene.json", "packages.json", "advisories.json"}


def test_findings_are_reported_and_do_not_end_the_stage(guest: Guest) -> None:
    key = {"path": "/opt/a.key", "rule": "private-key", "what": "a private key"}
    guest.findings(key)
    assert guest.verify("exit 0").returncode == 0
    assert guest.checks()["hygiene"] is False
    found = json.loads((guest.results / "hygiene.json").read_text("utf-8"))
    assert found["findings"] == [key]
    assert guest.named() == [("hygiene", "private-key", "/opt/a.key")]


def test_the_digest_of_a_finding_and_what_packages_vouch_for_are_in_the_evidence(guest: Guest) -> None:
    key = {"path": "/opt/a.key", "rule": "private-key", "what": "a private key", "sha256": "0" * 64}
    judged = {**key, "path": "/opt/b.key", "package": "wheel acme-1.0"}
    guest.findings(key, judged=[judged] * 201)
    assert guest.verify("exit 0").returncode == 0
    found = json.loads((guest.results / "hygiene.json").read_text("utf-8"))
    assert (found["findings"], found["count"]) == ([key], 1)
    assert (found["judged"], found["judgedCount"]) == ([judged] * 200, 201)


def test_what_packages_vouch_for_does_not_fail_the_image_and_is_said(guest: Guest) -> None:
    judged = {
        "path": "/opt/b.key",
        "rule": "private-key",
        "what": "a private key",
        "package": "wheel acme-1.0",
    }
    guest.findings(judged=[judged])
    assert guest.verify("exit 0").returncode == 0
    (check,) = [each for each in guest.read().checks if each.name == "hygiene"]
    assert check.passed
    assert check.detail.endswith("; packages vouch for 1 files with the form of a secret")


def test_a_broken_invariant_counts_as_hygiene(guest: Guest) -> None:
    guest.goss(goss_report(GOOD, BAD))
    assert guest.verify().returncode == 0
    found = json.loads((guest.results / "hygiene.json").read_text("utf-8"))
    assert found["passed"] is False
    # The invariants, and the test of each role.
    name = "File: /etc/x: exists"
    reports = 1 + len(list((IMAGES / "roles").iterdir()))
    assert found["findings"] == [{"invariant": name, "what": f"{name}: does not match"}] * reports
    assert guest.named() == [("invariant", name, "")] * reports


def test_one_failed_smoke_test_fails_the_check_and_the_others_still_run(guest: Guest) -> None:
    assert guest.verify("exit 7", "exit 0").returncode == 0
    assert guest.checks(smoke=("smoke-0.sh", "smoke-1.sh"))["smoke"] is False
    results = json.loads((guest.results / "smoke.json").read_text("utf-8"))["results"]
    assert [(each["name"], each["passed"], each["exit_code"]) for each in results] == [
        ("smoke-0.sh", False, 7),
        ("smoke-1.sh", True, 0),
    ]


def test_a_teams_tests_come_after_the_scan_and_after_what_holds_for_every_image(guest: Guest) -> None:
    body = f'[[ -s "{guest.results}/xccdf.xml.gz" && -s "{guest.results}/hygiene.json" ]]'
    assert guest.verify(body, profile="cis_server_l1").returncode == 0
    assert guest.checks(smoke=("smoke-0.sh",))["smoke"] is True


def test_what_a_smoke_test_leaves_running_does_not_hold_the_stage_open(guest: Guest) -> None:
    pid = guest.folder / "pid"
    try:  # a stage that waited for it would be ended by the limit of `guest.verify`
        done = guest.verify(f'sleep 600 & echo $! >"{pid}"; echo served; echo badly >&2')
    finally:
        os.kill(int(pid.read_text("utf-8")), signal.SIGKILL)
    assert done.returncode == 0, done.stderr
    assert "served\nbadly\n" in done.stdout


def test_rules_that_fail_do_not_end_the_stage_and_the_builder_reads_them(guest: Guest) -> None:
    guest.oscap(2, SCAN)
    assert guest.verify(profile="cis_server_l1").returncode == 0
    scan = guest.read(profile="cis_server_l1").scan
    assert scan is not None
    assert [finding.rule for finding in scan.findings] == ["two"]
    assert gzip.decompress((guest.results / "report.html.gz").read_bytes()) == b"page\n"


@pytest.mark.parametrize("tailoring", ["", "/run/imagefactory/bundle/my tailoring.xml"])
def test_the_scanner_is_given_the_profile_and_the_tailoring_where_there_is_one(
    guest: Guest, tailoring: str
) -> None:
    assert guest.verify(profile="cis_server_l1", tailoring=tailoring).returncode == 0
    called = (guest.folder / "called").read_text("utf-8")
    assert "--profile cis_server_l1 " in called
    secops = guest.folder / "platform" / "platform" / "scap" / "tailoring-cis_server_l1.xml"
    assert f"--tailoring-file {tailoring or secops} " in called
    assert called.count("--tailoring-file") == 1


def test_secops_tailoring_is_used_where_the_definition_has_none(guest: Guest) -> None:
    guest.oscap(2, SCAN)
    for profile in ("cis_server_l1", "xccdf_org.ssgproject.content_profile_cis_server_l1"):
        assert guest.verify(profile=profile).returncode == 0
        called = (guest.folder / "called").read_text("utf-8")
        tailoring = guest.folder / "platform/platform/scap/tailoring-cis_server_l1.xml"
        assert f"--profile cis_server_l1 --tailoring-file {tailoring} " in called
    assert guest.verify(profile="cis_server_l1", tailoring="team.xml").returncode == 0
    assert "--tailoring-file team.xml " in (guest.folder / "called").read_text("utf-8")
    assert guest.verify(profile="pci-dss").returncode == 0
    assert "--tailoring-file" not in (guest.folder / "called").read_text("utf-8")


def test_a_scanner_that_could_not_scan_fails_the_stage(guest: Guest) -> None:
    guest.oscap(1, SCAN)
    done = guest.verify(profile="no_such_profile")
    assert done.returncode != 0
    assert "oscap ended with 1" in done.stderr
    assert not (guest.results / "xccdf.xml.gz").exists()


def test_a_scanner_that_is_killed_for_memory_tells_it_by_its_code(guest: Guest) -> None:
    guest.tool("oscap", "kill -9 $$")
    done = guest.verify(profile="cis_server_l1")
    assert done.returncode == 137
    assert "oscap ended with 137" in done.stderr


def test_a_goss_that_is_killed_for_memory_tells_it_by_its_code(guest: Guest) -> None:
    guest.send_goss("kill -9 $$\n")
    done = guest.verify()
    assert done.returncode == 137
    assert "goss ended with 137" in done.stderr


def test_a_scanner_that_writes_nothing_fails_the_stage(guest: Guest) -> None:
    guest.oscap(0, "")
    done = guest.verify(profile="cis_server_l1")
    assert done.returncode != 0
    assert "oscap has written no xccdf.xml" in done.stderr


def test_a_goss_with_another_digest_is_not_run(guest: Guest) -> None:
    guest.goss(goss_report(GOOD), digest="0f" * 32)
    done = guest.verify()
    assert done.returncode != 0
    assert "the file of goss is another one than the catalog pins" in done.stderr
    assert not (guest.results / "hygiene.json").exists()


def test_without_the_file_of_goss_nothing_is_downloaded_and_the_tool_is_named(guest: Guest) -> None:
    guest.tool("curl", f'touch "{guest.folder}/asked"')
    for sent in (guest.folder / "sent").iterdir():
        sent.unlink()
    done = guest.verify()
    assert done.returncode != 0
    assert "verify: the builder has not sent the file of goss" in done.stderr
    assert not (guest.folder / "asked").exists()


def test_a_goss_that_tests_nothing_fails_the_stage(guest: Guest) -> None:
    guest.goss(goss_report())
    assert guest.verify().returncode != 0
    assert not (guest.results / "hygiene.json").exists()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("packages", ""),
        ("smoke", ""),
        ("hygiene", "not json"),
        ("hygiene", '{"findings": [], "count": 1}'),
    ],
)
def test_output_that_says_nothing_is_not_a_result(tmp_path: Path, kind: str, content: str) -> None:
    source, output = tmp_path / "in", tmp_path / "out.json"
    source.write_text(content, encoding="utf-8")
    ports = tmp_path / "ports"
    ports.write_text("[]", encoding="utf-8")
    inputs = [str(source), str(ports), str(source)] if kind == "hygiene" else [str(source)]
    command = [sys.executable, "-B", str(RESULTS), kind, *inputs, str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert not output.exists()


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_each_program_is_written_for_the_python_of_the_guest(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 9))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    foreign = (
        {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"dnf_files", "scanner"}
    )  # our own, beside them
    assert foreign == set()


def test_nothing_is_run_from_the_folder_of_temporary_files(guest: Guest) -> None:
    """The hardened image mounts it so that nothing in it can be executed, and its own invariants ask for that."""
    says = f"cat <<'END'\n{goss_report(GOOD)}\nEND\n"
    guest.send_goss(f"case $0 in {guest.folder}/tmp/*) exit 126 ;; esac\n{says}")
    done = guest.verify()
    assert done.returncode == 0, done.stderr


def test_a_goss_that_cannot_be_run_says_so(guest: Guest) -> None:
    guest.send_goss("exit 126\n")
    done = guest.verify()
    assert done.returncode != 0
    assert "goss ended with 126" in done.stderr
