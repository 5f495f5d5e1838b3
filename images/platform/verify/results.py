"""Turns what the verify stage's tools print into the result files that the builder reads. Decides nothing.

Runs in the guest with RHEL 9's own Python 3.9 and nothing else: standard library only. Raises, and so fails the
verify stage, where a tool's output is not what it should be: silence never becomes a pass.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

FINDINGS_LIMIT = 200
_XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"
_SCORING = "urn:xccdf:scoring:default"


def packages(source: Path) -> object:
    """The installed packages from lines of name, version, release and architecture, split by tabs."""
    found = []
    for line in source.read_text(encoding="utf-8").splitlines():
        name, version, release, arch = line.split("\t")
        found.append({"name": name, "version": version, "release": release, "arch": arch})
    if not found:
        raise ValueError("no package is installed, which cannot be")
    return sorted(found, key=lambda package: (package["name"], package["version"], package["release"]))


def smoke(source: Path) -> object:
    """The smoke tests from lines of name, exit code and seconds, split by tabs."""
    results = []
    for line in source.read_text(encoding="utf-8").splitlines():
        name, code, seconds = line.split("\t")
        results.append(
            {"name": name, "passed": int(code) == 0, "exit_code": int(code), "seconds": int(seconds)}
        )
    if not results:
        raise ValueError("no smoke test has run")
    return {"results": results}


def failed_goss_tests(report: Path) -> list[str]:
    """The summaries of the failed tests in goss's JSON; raises where goss has not tested anything."""
    found = json.loads(report.read_text(encoding="utf-8"))
    if found["summary"]["test-count"] < 1:
        raise ValueError(f"{report}: goss ran no test")
    return [
        " ".join(str(test["summary-line"]).split())
        for test in found["results"]
        # A test that was skipped has not proved anything either.
        if not test["successful"] or test.get("result") not in (0, None)
    ]


def hygiene(findings: Path, *reports: Path) -> object:
    """One verdict over what must not be in the image and what goss says must hold for every image."""
    found = [line for line in findings.read_text(encoding="utf-8", errors="replace").splitlines() if line]
    for report in reports:
        found += [f"goss: {line}" for line in failed_goss_tests(report)]
    return {"passed": not found, "findings": found[:FINDINGS_LIMIT], "count": len(found)}


def compliance(profile: str, source: Path) -> object:
    """Score (0 to 100) and failed rules from an XCCDF results file."""
    # The file is the scanner's, written on this machine a moment ago.
    tree = ElementTree.parse(str(source))
    result = (
        tree.getroot() if tree.getroot().tag == f"{_XCCDF}TestResult" else tree.find(f".//{_XCCDF}TestResult")
    )
    if result is None:
        raise ValueError(f"{source}: no TestResult; the scanner has not finished")
    scores = [score for score in result.iter(f"{_XCCDF}score") if score.get("system") == _SCORING]
    if len(scores) != 1 or not scores[0].text:
        raise ValueError(f"{source}: {len(scores)} scores by {_SCORING}, and one is needed")
    score = float(scores[0].text) * 100 / float(scores[0].get("maximum") or 100)
    failed = [
        str(rule.get("idref")).replace("xccdf_org.ssgproject.content_rule_", "")
        for rule in result.iter(f"{_XCCDF}rule-result")
        # `error` and `unknown` are no passes: the scanner could not tell.
        if rule.findtext(f"{_XCCDF}result") in ("fail", "error", "unknown")
    ]
    return {"profile": profile, "score": round(score, 2), "failed_rules": sorted(failed)}


def tool(name: str, catalog: Path) -> str:
    """Address and SHA-256 of a tool of the catalog, on one line."""
    for entry in json.loads(catalog.read_text(encoding="utf-8"))["entries"]:
        if entry["id"] == name:
            return f"{entry['url']} {entry['sha256']}"
    raise ValueError(f"the catalog has no {name}")


def main(arguments: list[str]) -> None:
    """`results.py KIND INPUT... OUTPUT`, but `tool` prints and `goss` only checks."""
    kind, given = arguments[0], arguments[1:]
    if kind == "tool":
        sys.stdout.write(tool(given[0], Path(given[1])) + "\n")
        return
    if kind == "goss":
        failed_goss_tests(Path(given[0]))
        return
    *inputs, output = given
    writers: dict[str, Callable[..., object]] = {
        "compliance": lambda profile, source: compliance(profile, Path(source)),
        "hygiene": lambda *sources: hygiene(*map(Path, sources)),
        "packages": lambda source: packages(Path(source)),
        "smoke": lambda source: smoke(Path(source)),
    }
    found = writers[kind](*inputs)
    Path(output).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
