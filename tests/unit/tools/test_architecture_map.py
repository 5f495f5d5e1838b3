"""The map of packages in docs/architecture.md is the tree: each package once, services in their contract's order."""

import re
import tomllib
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[3]
_SERVICES = "pipeline_core/services"
_PATH = re.compile(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`")


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"][
        "importlinter"
    ]
    return settings


def _rows() -> list[list[str]]:
    """The paths of each row of the map, without the table of common changes."""
    text = (CHECKOUT / "docs" / "architecture.md").read_text("utf-8")
    section = text.split("\n## The packages\n")[1].split("\nWhere common changes begin:\n")[0]
    return [_PATH.findall(line) for line in section.splitlines() if line.startswith("| `")]


def _packages() -> set[str]:
    """Every package of the product down to its second level, and those of the services."""
    found = [
        path.parent.relative_to(CHECKOUT)
        for root in _settings()["root_packages"]
        for path in (CHECKOUT / root).rglob("__init__.py")
    ]
    return {f"{path}/" for path in found if len(path.parts) <= 2 or path.parent == Path(_SERVICES)}


def _rooms(paths: list[str]) -> set[str]:
    """The services among the paths, as the contract names them."""
    return {Path(path).stem for path in paths if Path(path).parent == Path(_SERVICES)}


def test_each_package_is_on_the_map_once() -> None:
    shown = [path for row in _rows() for path in row]

    assert _packages() - {*shown, "pipeline_core/"} == set()
    assert sorted(shown) == sorted(set(shown))


def test_the_services_are_shown_in_the_order_of_their_contract() -> None:
    (contract,) = [
        each for each in _settings()["contracts"] if each.get("containers") == ["pipeline_core.services"]
    ]
    layers = [set(layer.split(" | ")) for layer in contract["layers"] if not layer.startswith("(")]

    assert [rooms for row in _rows() if (rooms := _rooms(row))] == layers
