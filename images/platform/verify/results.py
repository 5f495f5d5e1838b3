"""Turns the output of the verify stage's tools into the result files that the builder reads. Decides nothing.

Runs in the guest with RHEL 9's own Python 3.9 and its standard library only. Raises if a tool's output does not have
the expected form. The verify stage then fails, so a missing result never becomes a pass.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

FINDINGS_LIMIT = 200
ADVISORIES_LIMIT = 10_000  # lines of dnf's output: the file must stay below the builder's limit
ADVISED = re.compile(r"([!-~]+) +([!-~]+) +([!-~]+-[!-~]+-[!-~]+\.[!-~]+)", re.ASCII)
REPOSITORY = re.compile(r"[!-~]{1,400}", re.ASCII)
NOTHING = "(none)"  # how RPM prints an unknown value
KINDS = ("security", "bugfix", "enhancement", "newpackage")
SEVERITIES = ("critical", "important", "moderate", "low")


def packages(source: Path, origins: Path) -> object:
    """The installed packages from RPM's lines, split by tabs, and their repositories. Unknown values are left out."""
    repositories = _repositories(origins)
    found = []
    for line in source.read_text(encoding="utf-8", errors="replace").splitlines():
        name, epoch, version, release, arch, vendor, built_from, licence, module = line.split("\t")
        package: dict[str, object] = {"name": name, "version": version, "release": release}
        known = {"arch": arch, "vendor": vendor, "source": built_from, "license": licence, "module": module}
        number = "0" if epoch in ("", NOTHING) else epoch
        known["repository"] = repositories.get((name, number, version, release, arch), "")
        package.update((key, value) for key, value in known.items() if value not in ("", NOTHING))
        if epoch not in ("", "0", NOTHING):
            package["epoch"] = int(epoch)
        found.append(package)
    if not found:
        raise ValueError("no package is installed, which cannot be")
    return sorted(found, key=lambda each: (str(each["name"]), str(each["version"]), str(each["release"])))


def _repositories(origins: Path) -> dict[tuple[str, ...], str]:
    """The repository of each package, from dnf's lines of name, epoch, version, release, architecture and repository.

    Other lines are ignored. dnf may know nothing of a package that rpm installed.
    """
    lines = origins.read_text(encoding="utf-8", errors="replace").splitlines()
    fields = (line.split("\t") for line in lines)
    return {tuple(each[:5]): each[5] for each in fields if len(each) == 6 and REPOSITORY.fullmatch(each[5])}


def advisories(installed: Path, available: Path) -> object:
    """The vendor's advisories about installed packages, and those whose packages are newer, from dnf's lines.

    They are unknown if dnf names none at all, since every machine has some, or if there are too many to keep.
    """
    lines = {"installed": _advised(installed), "available": _advised(available)}
    if not 0 < sum(map(len, lines.values())) <= ADVISORIES_LIMIT:
        return {"known": False}
    return {"known": True, **{name: _by_advisory(found) for name, found in lines.items()}}


def _advised(source: Path) -> list[tuple[str, str, str]]:
    """Advisory, label and package of each line. Other output of dnf is ignored."""
    text = source.read_text(encoding="utf-8", errors="replace")
    found = (ADVISED.fullmatch(line) for line in text.splitlines())
    return [(match[1], match[2], match[3]) for match in found if match]


def _by_advisory(lines: list[tuple[str, str, str]]) -> list[dict[str, object]]:
    packages: dict[tuple[str, str], set[str]] = {}
    for identity, label, package in lines:
        packages.setdefault((identity, label), set()).add(package)
    found: list[dict[str, object]] = []
    for (identity, label), names in sorted(packages.items()):
        word, _, is_security = label.lower().partition("/sec")  # `Important/Sec.`, or `bugfix`
        kind = "security" if is_security else word
        found.append(
            {
                "id": identity,
                "kind": kind if kind in KINDS else "unknown",
                "severity": word if word in SEVERITIES else "",
                "packages": sorted(names),
            }
        )
    return found


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


def failed_goss_tests(report: Path) -> list[dict[str, str]]:
    """The failed tests in goss's JSON, each with its name and its summary; raises if goss ran no test.

    The name is what `spec.verify.waivers` of an image calls it: `Service: auditd: enabled`.
    """
    found = json.loads(report.read_text(encoding="utf-8"))
    if found["summary"]["test-count"] < 1:
        raise ValueError(f"{report}: goss ran no test")
    return [
        {"invariant": named(test), "what": " ".join(str(test["summary-line"]).split())}
        for test in found["results"]
        # A test that was skipped proves nothing, so it counts as failed.
        if not test["successful"] or test.get("result") not in (0, None)
    ]


def named(test: dict[str, object]) -> str:
    """The name of a test of goss: the kind of the resource, which one it is, and the property that was tested."""
    return ": ".join(str(test[key]) for key in ("resource-type", "resource-id", "property"))


def hygiene(findings: Path, ports: Path, *reports: Path) -> object:
    """One verdict over the hygiene findings, which have rule and path, goss's tests for every image, and the ports."""
    looked = json.loads(findings.read_text(encoding="utf-8"))
    found = [{key: str(each[key]) for key in ("path", "rule", "what")} for each in looked["findings"]]
    if looked["count"] != len(found):
        raise ValueError(f"{findings}: {looked['count']} findings were counted, and {len(found)} are listed")
    for each, listed in zip(found, looked["findings"]):
        if listed.get("sha256"):
            each["sha256"] = str(listed["sha256"])
    for report in reports:
        found += failed_goss_tests(report)
    found += json.loads(ports.read_text(encoding="utf-8"))
    # What a package vouches for is not a finding. SecOps sees it in the evidence.
    judged = looked.get("judged", [])
    evidence = {"judged": judged[:FINDINGS_LIMIT], "judgedCount": len(judged)}
    return {"passed": not found, "findings": found[:FINDINGS_LIMIT], "count": len(found), **evidence}


def tool(name: str, catalog: Path) -> str:
    """The SHA-256 of a tool of the catalog."""
    for entry in json.loads(catalog.read_text(encoding="utf-8"))["entries"]:
        if entry["id"] == name:
            return str(entry["sha256"])
    raise ValueError(f"the catalog has no {name}")


def main(arguments: list[str]) -> None:
    """`results.py KIND INPUT... OUTPUT`. `tool` prints instead, and `goss` only checks."""
    kind, given = arguments[0], arguments[1:]
    if kind == "tool":
        sys.stdout.write(tool(given[0], Path(given[1])) + "\n")
        return
    if kind == "goss":
        failed_goss_tests(Path(given[0]))
        return
    *inputs, output = given
    writers: dict[str, Callable[..., object]] = {
        "hygiene": lambda *sources: hygiene(*map(Path, sources)),
        "advisories": lambda installed, available: advisories(Path(installed), Path(available)),
        "packages": lambda source, origins: packages(Path(source), Path(origins)),
        "smoke": lambda source: smoke(Path(source)),
    }
    found = writers[kind](*inputs)
    Path(output).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
