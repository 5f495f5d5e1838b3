"""Runs the real `oscap` with the SCAP Security Guide's content for RHEL 9, once for all tests of this folder.

Nothing of this machine is looked at but a small folder that is made here and stands for the root of a RHEL 9. The
content asks RPM whether the machine is a RHEL 9 at all, which Debian cannot answer: of a copy that one line is
taken out, so that rules get real results of every kind. The content as it is gives `notapplicable` throughout.
"""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import optional_tools

CONTENT = Path("/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml")
PROFILE = "cis_server_l1"
TAILORED = "cis_of_a_team"
LEFT_OUT = "package_aide_installed"
_PLATFORM = b'<xccdf-1.2:platform idref="cpe:/o:redhat:enterprise_linux:9"/>'
_RULE = re.compile(
    r"^Title\t(?P<title>.*)\nRule\t(?P<rule>\S+)\n(?:Ident\t.*\n)*Result\t(?P<result>\w+)$", re.MULTILINE
)
_TAILORING = f"""<?xml version="1.0" encoding="UTF-8"?>
<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="xccdf_com.example_tailoring_team">
  <version time="2026-01-01T00:00:00">1</version>
  <Profile id="xccdf_com.example_profile_{TAILORED}" extends="xccdf_org.ssgproject.content_profile_{PROFILE}">
    <title>A team's own</title>
    <select idref="xccdf_org.ssgproject.content_rule_{LEFT_OUT}" selected="false"/>
  </Profile>
</Tailoring>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """One run: what oscap printed of each rule (title and result by id), and its results."""

    code: int
    rules: Mapping[str, tuple[str, str]]
    xccdf: Path

    @property
    def counts(self) -> Counter[str]:
        """Rules by their result, as oscap printed them."""
        return Counter(result for _, result in self.rules.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A folder to work in, with the content and the root that is scanned."""

    folder: Path
    content: Path

    @property
    def arf(self) -> Path:
        """The asset report of the first scan."""
        return self.folder / "arf.xml"

    def run(self, name: str, profile: str, *options: str, content: Path | None = None) -> Scanned:
        """Scan by a profile; the results are called by `name`."""
        xccdf = self.folder / f"{name}.xml"
        command = ["oscap", "xccdf", "eval", "--profile", profile, *options]
        command += ["--results", str(xccdf), str(content or self.content)]
        environment = {**os.environ, "OSCAP_PROBE_ROOT": str(self.folder / "root"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=100)
        printed = done.stdout.decode().replace("\r\t", "\t")
        told = {each["rule"]: (each["title"], each["result"]) for each in _RULE.finditer(printed)}
        assert len(told) == printed.count("\nResult\t") > 0, done.stderr.decode()
        return Scanned(code=done.returncode, rules=told, xccdf=xccdf)


@pytest.fixture(scope="session")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Scanner:
    """The scanner, or a skip with the reason."""
    optional_tools.require("oscap", "install Debian's openscap-scanner and ssg-nondebian")
    if not CONTENT.is_file():
        optional_tools.missing("oscap", f"{CONTENT} is missing: install Debian's ssg-nondebian")
    folder = tmp_path_factory.mktemp("oscap")
    (folder / "root" / "etc").mkdir(parents=True)
    release = "Red Hat Enterprise Linux release 9.4 (Plow)\n"
    (folder / "root" / "etc" / "redhat-release").write_text(release, encoding="utf-8")
    (folder / "root" / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/bash\n", encoding="utf-8")
    original = CONTENT.read_bytes()
    assert original.count(_PLATFORM) == 1
    content = folder / "ds.xml"
    content.write_bytes(original.replace(_PLATFORM, b""))
    (folder / "tailoring.xml").write_text(_TAILORING, encoding="utf-8")
    return Scanner(folder=folder, content=content)


@pytest.fixture(scope="session")
def scanned(scanner: Scanner) -> Scanned:
    """A scan with results of several kinds."""
    return scanner.run("plain", PROFILE, "--results-arf", str(scanner.arf))
