"""Scans a made root with the real oscap and the SCAP Security Guide, and reads each rule's result.

oscap runs with `OSCAP_PROBE_ROOT`: files and packages are read below that folder, and nothing of this machine's
services or kernel is asked. Absolute links of the root are followed here, so its /etc is mounted over this machine's
for the length of a scan, in a namespace of its own.
"""

import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tools.content import made_root

CONTENT: Final = Path("/usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml")
_NAMESPACE: Final = "{http://checklists.nist.gov/xccdf/1.2}"
_RULE: Final = "xccdf_org.ssgproject.content_rule_"
_BAD: Final = ("fail", "error", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class RootScan:
    """One scan: the default score, and result and severity of each selected rule."""

    profile: str
    score: float
    results: Mapping[str, tuple[str, str]]

    @property
    def counts(self) -> Counter[str]:
        """Rules by result."""
        return Counter(result for result, _ in self.results.values())

    def failing(self) -> frozenset[str]:
        """Rules that failed, ended in an error, or have an unknown result."""
        return frozenset(rule for rule, (result, _) in self.results.items() if result in _BAD)

    def severe(self) -> frozenset[str]:
        """Those of severity high."""
        return frozenset(rule for rule in self.failing() if self.results[rule][1] == "high")

    def share(self, unanswered: frozenset[str]) -> float:
        """Percent of the rules that passed, of those that a made root can answer. Every rule counts the same."""
        passed = {rule for rule, (result, _) in self.results.items() if result == "pass"}
        asked = (passed | self.failing()) - unanswered
        return 100 * len(passed & asked) / len(asked)


def scan(root: Path, profile: str, *, tailoring: Path | None, results: Path) -> RootScan:
    """Scan `root` by `profile`, tailored if `tailoring` is given. Takes 2 s on an idle core. Raises RuntimeError."""
    home = results.parent / "scanner-home"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text(f"%_dbpath {made_root.DATABASE}\n", encoding="utf-8")
    command = ["oscap", "xccdf", "eval", "--profile", profile]
    command += ["--tailoring-file", str(tailoring)] if tailoring else []
    command += ["--results", str(results), str(CONTENT)]
    script = f"mount --bind {shlex.quote(str(root / 'etc'))} /etc && exec {shlex.join(command)}"
    environment = {**os.environ, "HOME": str(home), "OSCAP_PROBE_ROOT": str(root), "LC_ALL": "C.UTF-8"}
    whole = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(whole, env=environment, capture_output=True, check=False, timeout=600)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"oscap ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return read(results, profile)


def read(results: Path, profile: str) -> RootScan:
    """What oscap wrote."""
    tree = ElementTree.parse(results)  # noqa: S314 - written by this machine's scanner
    (score,) = [float(each.text or "nan") for each in tree.iter(f"{_NAMESPACE}score")]
    found = {}
    for each in tree.iter(f"{_NAMESPACE}rule-result"):
        result = each.findtext(f"{_NAMESPACE}result") or ""
        if result != "notselected":
            rule = str(each.get("idref")).removeprefix(_RULE)
            found[rule] = (result, each.get("severity") or "unknown")
    return RootScan(profile=profile, score=score, results=found)


def fix(results: Path, *, tailoring: Path, playbook: Path) -> None:
    """Write the playbook for the rules that did not pass in `results`. Raises RuntimeError."""
    command = ["oscap", "xccdf", "generate", "fix", "--fix-type", "ansible", "--result-id", ""]
    command += [
        "--tailoring-file",
        str(tailoring),
        "--output",
        str(playbook),
        str(results),
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"oscap wrote no playbook: {done.stderr.decode()[-2000:]}")
