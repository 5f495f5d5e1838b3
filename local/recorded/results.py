"""The result files of a verified machine: plausible content for each name, always marked as simulated."""

import gzip
import json
from typing import Any

from local.recorded import scan

PACKAGES = (
    ("kernel", "5.14.0", "570.58.1.el9_6"),
    ("glibc", "2.34", "168.el9_6.23"),
    ("openssl-libs", "3.2.2", "6.el9_5.1"),
    ("systemd", "252", "51.el9_6.2"),
    ("openssh-server", "8.7p1", "45.el9"),
    ("sudo", "1.9.5p2", "10.el9_6.2"),
    ("WALinuxAgent", "2.7.0.6", "12.el9"),
    ("bash", "5.1.8", "9.el9"),
)
_CHECKS = (
    "service sshd is running",
    "file /etc/machine-id is empty",
    "user root has no password",
    "port 22 listens",
)


def render(name: str, scenario: str, profile: str) -> bytes:
    """The content of the file `name` after a run with this scenario."""
    fails = scenario.removeprefix("fail-") if scenario.startswith("fail-") else ""
    if name.endswith(("xccdf.xml.gz", "report.html.gz")):
        write = scan.results if name.endswith("xccdf.xml.gz") else scan.page
        # It holds no time, so that the same run gives the same bytes.
        return gzip.compress(write(profile, is_good=fails != "compliance").encode(), mtime=0)
    if name.endswith("goss.json"):
        content: Any = _goss(is_good=fails != "goss")
    elif name.endswith("smoke.json"):
        passed = fails != "smoke"
        result = {"name": "smoke.sh", "passed": passed, "exit_code": 0 if passed else 1, "seconds": 0.4}
        content = {"results": [result], "simulated": True}
    elif name.endswith("hygiene.json"):
        key = {"path": "/root/.ssh/id_rsa", "rule": "private-key", "what": "a private key"}
        findings = [key] if fails == "hygiene" else []
        content = {"passed": not findings, "findings": findings, "simulated": True}
    elif name.endswith("packages.json"):
        content = [_package(*package) for package in PACKAGES]
    elif name.endswith("advisories.json"):
        content = {"known": False, "simulated": True}  # no vendor's advisories are read
    else:
        return b"recorded: no machine has run\n"
    return json.dumps(content, indent=1).encode()


def _package(name: str, version: str, release: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "release": release,
        "arch": "x86_64",
        "vendor": "Red Hat, Inc.",
        "source": f"{name}-{version}-{release}.src.rpm",
        "simulated": True,
    }


def _goss(*, is_good: bool) -> dict[str, Any]:
    results = [
        {
            "title": "",
            "resource-type": check.split(" ")[0].capitalize(),
            "resource-id": check.split(" ")[1],
            "property": check.split(" ", 2)[2],
            "successful": is_good or index > 0,
            "result": 0 if is_good or index > 0 else 1,
            "summary-line": f"{check}: {'matches expectation' if is_good or index > 0 else 'does not match'}",
        }
        for index, check in enumerate(_CHECKS)
    ]
    failed = sum(1 for each in results if not each["successful"])
    line = f"Count: {len(results)}, Failed: {failed}, Duration: 0.031s"
    summary = {
        "failed-count": failed,
        "test-count": len(results),
        "total-duration": 31000000,
        "summary-line": line,
    }
    return {"results": results, "summary": summary, "simulated": True}
