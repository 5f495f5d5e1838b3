"""Reads `infra/*.tf` as plain values: strings without their quotes, expressions as text in `${...}`."""

import functools
from pathlib import Path
from typing import Any

import hcl2

INFRA = Path(__file__).resolve().parents[3] / "infra"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items() if not str(key).startswith("__")}
    return value


@functools.cache
def files() -> dict[str, dict[str, Any]]:
    """Every file by name, parsed; raises where one has no valid syntax."""
    return {path.name: parsed(path) for path in sorted(INFRA.glob("*.tf"))}


def parsed(path: Path) -> dict[str, Any]:
    """One file; raises where it has no valid syntax."""
    with path.open(encoding="utf-8") as stream:
        return dict(_plain(hcl2.load(stream)))


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one kind, by name."""
    found: dict[str, dict[str, Any]] = {}
    for content in files().values():
        for block in content.get("resource", []):
            found |= block.get(kind, {})
    return found


def kinds() -> set[str]:
    """The kinds of all resources."""
    return {kind for content in files().values() for block in content.get("resource", []) for kind in block}


def local(name: str) -> Any:
    """A local value."""
    for content in files().values():
        for block in content.get("locals", []):
            if name in block:
                return block[name]
    raise KeyError(name)


def text(name: str) -> str:
    """A file as it is written."""
    return (INFRA / name).read_text(encoding="utf-8")
