"""The locks by themselves: what a locked distribution needs is locked, in a version that it accepts, on each Python.

The requirements are those of the distributions that are installed here. An entry that this Python does not install
(its marker says so) is named in the output and judged by the Python that does: `make matrix` runs them all.
"""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.setup import lock

PYTHONS = ("3.11", "3.12", "3.13")


def environment_of(python: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.0"}


def needs(entries: dict[str, lock.Entry], environment: dict[str, str]) -> Iterator[tuple[str, Requirement]]:
    """Who needs what, on this Python, with the extras that are asked for anywhere."""
    extras: dict[str, set[str]] = {name: set(entry.extras) for name, entry in entries.items()}
    asked: set[tuple[str, str]] = set()
    fresh = True
    while fresh:
        fresh = False
        for name, requirement in [pair for each in entries for pair in _of(each, extras[each], environment)]:
            if (name, str(requirement)) in asked:
                continue
            asked.add((name, str(requirement)))
            extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
            fresh = True
            yield name, requirement


def _of(name: str, extras: set[str], environment: dict[str, str]) -> Iterator[tuple[str, Requirement]]:
    try:
        requires = metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, requires):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)):
            yield name, requirement


def complaints(locks: tuple[Path, ...], inputs: tuple[Path, ...], python: str) -> list[str]:
    """What these locks lack or hold in a version that somebody refuses."""
    environment = environment_of(python)
    entries = {entry.name: entry for path in locks for entry in lock.read(path) if entry.applies(environment)}
    asked = [(path.name, each) for path in inputs for each in lock.roots(path)]
    wanted = [(who, each) for who, each in asked if each.marker is None or each.marker.evaluate(environment)]
    found = []
    for who, requirement in [*wanted, *needs(entries, environment)]:
        entry = entries.get(canonicalize_name(requirement.name))
        if entry is None:
            found.append(f"{who} needs {requirement}, which is not locked")
        elif not requirement.specifier.contains(entry.version, prereleases=True):
            found.append(f"{who} needs {requirement}, and {entry.version} is locked")
        elif not requirement.extras <= entry.extras:
            found.append(f"{who} needs {requirement}, and the lock names no such extra")
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("count", [1, 2], ids=["requirements.txt", "both"])
def test_everything_that_is_needed_is_locked(count: int, python: str) -> None:
    assert complaints(lock.LOCKS[:count], lock.INPUTS[:count], python) == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("tool", ["newest-sdks", "schemathesis", "content-check"])
def test_a_tool_in_a_folder_of_its_own_is_locked_completely(tool: str, python: str) -> None:
    home = lock.CHECKOUT / "tools" / tool
    locked, asked = home.with_suffix(".txt"), home.with_suffix(".in")
    assert complaints((locked,), (asked,), python) == []
    assert "://" not in locked.read_text("utf-8"), "a lock holds no address"


@pytest.mark.parametrize("python", PYTHONS)
def test_no_distribution_is_locked_twice(python: str) -> None:
    seen: dict[str, lock.Entry] = {}
    for path in lock.LOCKS:
        names = [entry.name for entry in lock.read(path) if entry.applies(environment_of(python))]
        assert len(names) == len(set(names)), path.name
        for entry in lock.read(path):
            if entry.applies(environment_of(python)):
                assert seen.setdefault(entry.name, entry).version == entry.version, entry.name


def test_what_is_installed_here_is_what_is_locked() -> None:
    entries = [entry for path in lock.LOCKS for entry in lock.read(path)]
    for entry in entries:
        if entry.applies({}):
            assert metadata.version(entry.name) == entry.version, f"{entry.name}: run `make setup`"
        else:
            print(f"not judged on this Python: {entry.name} {entry.version} ({entry.marker})")


@pytest.mark.parametrize(
    ("removed", "complaint"),
    [
        ("certifi==", "requests needs certifi>=2023.5.7, which is not locked"),
        ("rfc3987-syntax==", "which is not locked"),  # by an extra of an extra
    ],
)
def test_a_hole_is_found(removed: str, complaint: str, tmp_path: Path) -> None:
    locks = []
    for path in lock.LOCKS:
        entries = [entry for entry in lock.read(path) if not f"{entry.name}==".startswith(removed)]
        locks.append(tmp_path / path.name)
        locks[-1].write_text("\n".join(entry.line() for entry in entries), encoding="utf-8")
    found = complaints(tuple(locks), lock.INPUTS, "3.11")
    assert any(complaint in each for each in found), found
