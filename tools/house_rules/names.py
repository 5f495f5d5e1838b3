"""Only one class may have a name, except for twins of a port and outer forms of an inner type.

The rule derives twins and forms from their places, so that no list must be maintained:

- A port is a class in a `ports.py` or in a package `ports`. Its twins have its name, alone or after Azure or Memory, in
  another one, in the adapters, or in the builder's own client.
- An inner type is a class of the domain or a view of the services. One wire form of a domain type, and one model of
  the API for either, have its name.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from tools.house_rules.source import Class, File, Finding, public_classes

_ADAPTERS: Final = ("pipeline_core/adapters/", "builder/azure_client.py")
_KINDS: Final = ("Azure", "Memory")


def doubled_names(files: Sequence[File]) -> Iterator[Finding]:
    """One finding for each name that several unrelated classes have."""
    for name, bearers in sorted(doubled(files).items()):
        others = ", ".join(bearer.place for bearer in bearers[1:])
        yield Finding(
            place=bearers[0].place,
            cause=f"{name} is also the name of {others}",
            remedy="rename all except one, so that each name says what the class is",
        )


def doubled(files: Sequence[File]) -> Mapping[str, Sequence[Class]]:
    """The classes of each name that breaks the rule, in the order of their places."""
    by_name: defaultdict[str, list[Class]] = defaultdict(list)
    for file in files:
        if file.is_product:
            for each in public_classes(file):
                by_name[each.name].append(each)
    ports = {name for name, bearers in by_name.items() if any(_is_port(each.path) for each in bearers)}
    found = {name: _without_forms(_without_twins(bearers, ports)) for name, bearers in by_name.items()}
    return {name: sorted(left, key=_place) for name, left in found.items() if len(left) > 1}


def _without_twins(bearers: Sequence[Class], ports: set[str]) -> list[Class]:
    """The classes of a name, in which all twins of a port count as their first."""
    twins = [each for each in bearers if _is_twin(each, ports)]
    rest = [each for each in bearers if each not in twins]
    return twins[:1] + rest


def _without_forms(bearers: Sequence[Class]) -> list[Class]:
    """The classes without the one wire form of a domain type and the one API model of an inner type."""
    domain = [each for each in bearers if _is_in(each.path, "pipeline_core/domain")]
    views = [each for each in bearers if _is_in(each.path, "pipeline_core/services")]
    wire = [each for each in bearers if _is_in(each.path, "pipeline_core/wire")]
    api = [each for each in bearers if _is_in(each.path, "triggers/api")]
    forms = (wire[:1] if domain else []) + (api[:1] if domain or views else [])
    return [each for each in bearers if each not in forms]


def _is_twin(each: Class, ports: set[str]) -> bool:
    if _is_port(each.path):
        return True
    if not str(each.path).startswith(_ADAPTERS):
        return False
    return each.name in ports or any(each.name == f"{kind}{port}" for kind in _KINDS for port in ports)


def _is_port(path: PurePosixPath) -> bool:
    return path.name == "ports.py" or path.parent.name == "ports"


def _is_in(path: PurePosixPath, folder: str) -> bool:
    return path.is_relative_to(folder)


def _place(each: Class) -> tuple[str, int]:
    return str(each.path), each.line
