"""Rules of this repository that no linter knows: module length, lock files, targets, settings of a machine."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MODULE_LIMIT = 400  # lines
TARGET_LIMIT = 15
_MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9._/-])/(home|root(?!/\.ssh/)|work|Users)/[A-Za-z.]")
_INDEX = re.compile(r"https?://|--index-url|--extra-index-url")


def tracked() -> list[Path]:
    """Every file that git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the PATH
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in map(Path, listed.stdout.splitlines()) if path.is_file()]


def findings(files: list[Path]) -> Iterator[str]:
    """One line per broken rule."""
    for path in files:
        if path.suffix == ".py":
            length = len(path.read_text(encoding="utf-8").splitlines())
            if length > MODULE_LIMIT:
                yield f"{path}: {length} lines, {MODULE_LIMIT} are allowed: redesign it"
        if path.name.startswith("requirements") and path.suffix == ".txt":
            yield from _lock_findings(path)
        if path.suffix in {".py", ".md", ".sh", ".yaml", ".yml", ".json", ".toml", ".tf"}:
            yield from _machine_paths(path)
    targets = re.findall(r"^[a-z-]+:.*## ", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    if len(targets) > TARGET_LIMIT:
        yield f"Makefile: {len(targets)} documented targets, {TARGET_LIMIT} are allowed"


def _lock_findings(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if _INDEX.search(text):
        yield f"{path}: a lock file holds no address"
    for entry in re.split(r"\n(?=[a-z])", text):
        if re.match(r"[a-z][a-z0-9._-]*(\[.*?\])?==", entry) and "--hash=sha256:" not in entry:
            yield f"{path}: {entry.splitlines()[0]} has no hash"


def _machine_paths(path: Path) -> Iterator[str]:
    if path == Path("tools/house_rules.py") or path.parts[0] == "images":
        return  # what is under images/ runs in a guest, and names the guest's own paths
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if _MACHINE_PATH.search(line):
            yield f"{path}:{number}: a path of one machine: {line.strip()[:100]}"


if __name__ == "__main__":
    broken = list(findings(tracked()))
    sys.stdout.write("".join(f"{line}\n" for line in broken))
    sys.exit(1 if broken else 0)
