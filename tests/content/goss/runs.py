"""Runs the real goss inside a made root, and says which tests failed, by the names that a waiver uses."""

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import optional_tools
from tools import build_goss
from tools.content import guest

IMAGES = Path(__file__).resolve().parents[3] / "images"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # of the verify stage
_RESULTS = IMAGES / "platform" / "verify" / "results.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class GossRun:
    """One run of goss: how many tests there were, and the names of the failed ones."""

    count: int
    failed: frozenset[str]
    output: str


def program() -> Path:
    """The goss of this machine, or a skip."""
    found = build_goss.find(os.environ)
    if found is None:
        optional_tools.missing("goss", "build it: .venv/bin/python -m tools.build_goss (needs Go)")
    return found.resolve()


def validate(root: Path, file: Path) -> GossRun:
    """Run the tests of `file` in `root` as the verify stage does, and read the report as it does."""
    shared = {"goss": program().parent, "tests": file.parent}
    command = [f"/run/guest/goss/{program().name}", "--gossfile", f"/run/guest/tests/{file.name}"]
    words = [*command, "validate", "--format", "json", "--no-color"]
    done = guest.run(root, words, environment={"PATH": PATH}, shared=shared, limit=300)
    start, end = done.output.find("{"), done.output.rfind("}") + 1
    if done.code not in (0, 1) or start < 0:
        raise RuntimeError(f"goss ended with {done.code}: {done.output[-2000:]}")
    report = root.parent / f"{root.name}.goss.json"
    report.write_text(done.output[start:end], encoding="utf-8")
    found = _results().failed_goss_tests(report)
    count = json.loads(report.read_text("utf-8"))["summary"]["test-count"]
    return GossRun(count=count, failed=frozenset(each["invariant"] for each in found), output=done.output)


def _results() -> Any:
    """The program of the guest that reads goss's reports."""
    spec = importlib.util.spec_from_file_location("verify_results", _RESULTS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
