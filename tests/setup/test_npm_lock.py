"""The lock of npm: complete, by digest, without addresses, and nothing in it runs while it is installed."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from tests.setup import lock

_LOCAL = lock.CHECKOUT / "local"
_LOCK: dict[str, Any] = json.loads((_LOCAL / "package-lock.json").read_text(encoding="utf-8"))
_PACKAGES: dict[str, dict[str, Any]] = _LOCK["packages"]


def test_each_package_has_one_version_and_a_digest_and_no_address() -> None:
    assert _LOCK["lockfileVersion"] == 3  # npm 7 and newer
    for path, package in _PACKAGES.items():
        if path:
            assert package["version"], path
            assert package["integrity"].startswith("sha512-"), path
            assert "resolved" not in package, path
            assert "link" not in package, path


def test_the_lock_is_of_this_package() -> None:
    asked = json.loads((_LOCAL / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert _PACKAGES[""]["dependencies"] == asked
    for name, version in asked.items():
        assert _PACKAGES[f"node_modules/{name}"]["version"] == version


def test_whatever_a_package_needs_is_in_the_lock() -> None:
    missing = [f"{path} needs {name}" for path, name in _needs() if not _found(path, name)]
    assert missing == []


def test_no_script_of_a_package_runs() -> None:
    settings = (_LOCAL / ".npmrc").read_text(encoding="utf-8").split()
    assert "ignore-scripts=true" in settings
    assert not any("registry=" in each or "//" in each for each in settings)


def _needs() -> Iterator[tuple[str, str]]:
    for path, package in _PACKAGES.items():
        for name in package.get("dependencies", {}):
            yield path, name
        peers = package.get("peerDependenciesMeta", {})
        for name in package.get("peerDependencies", {}):
            if not peers.get(name, {}).get("optional"):
                yield path, name


def _found(path: str, name: str) -> bool:
    """Whether Node finds `name` from `path`: in its own folder, or in one above."""
    folder = PurePosixPath(path)
    places = [folder, *folder.parents]
    return any(
        str(place / "node_modules" / name) in _PACKAGES for place in places if place.name != "node_modules"
    )
