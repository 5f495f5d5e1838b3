"""Reads `infra/*.tf` as plain values: strings without their quotes, expressions as text in `${...}`."""

import functools
from pathlib import Path
from typing import Any

import hcl2

INFRA = Path(__file__).resolve().parents[3] / "infra"


def plain(value: Any) -> Any:
    """A value of hcl2 without the quotes and marks that it keeps."""
    if isinstance(value, str):
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if not str(key).startswith("__")}
    return value


@functools.cache
def files(folder: Path = INFRA) -> dict[str, dict[str, Any]]:
    """Every file of `folder` by name, parsed; raises where one has no valid syntax."""
    return {path.name: parsed(path) for path in sorted(folder.glob("*.tf"))}


def parsed(path: Path) -> dict[str, Any]:
    """One file; raises where it has no valid syntax."""
    with path.open(encoding="utf-8") as stream:
        return dict(plain(hcl2.load(stream)))


def resources(kind: str, folder: Path = INFRA) -> dict[str, dict[str, Any]]:
    """The resources of one kind, by name."""
    found: dict[str, dict[str, Any]] = {}
    for content in files(folder).values():
        for block in content.get("resource", []):
            found |= block.get(kind, {})
    return found


def kinds() -> set[str]:
    """The kinds of all resources."""
    return {kind for content in files().values() for block in content.get("resource", []) for kind in block}


def local(name: str, folder: Path = INFRA) -> Any:
    """A local value."""
    for content in files(folder).values():
        for block in content.get("locals", []):
            if name in block:
                return block[name]
    raise KeyError(name)


def text(name: str) -> str:
    """A file as it is written."""
    return (INFRA / name).read_text(encoding="utf-8")
