"""Reads a release of the SCAP Security Guide: its rules with their severity, its values, and what each profile selects.

Groups that a profile turns off are not followed: the guide's profiles name rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

_XCCDF: Final = "{http://checklists.nist.gov/xccdf/1.2}"
_PREFIX: Final = re.compile(r"xccdf_[^_]+_(?:rule|profile|value)_", re.ASCII)
_DEPTH: Final = 10  # profiles that extend each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a profile selects, with what it inherits: rules, and for values the name of the choice."""

    rules: frozenset[str]
    choices: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One release. All ids are short: without the prefix that names the guide."""

    version: str
    severities: Mapping[str, str]  # of each rule
    values: frozenset[str]
    profiles: Mapping[str, Profile]


def read(path: Path) -> Benchmark:
    """The benchmark of a data stream or an XCCDF file. Raises ValueError if the file has not exactly one."""
    try:
        tree = ElementTree.parse(path)  # noqa: S314 - the guide's content, which SecOps chose and pinned
    except ElementTree.ParseError as err:
        raise ValueError(f"{path} is not XML: {err}") from err
    found = list(tree.iter(f"{_XCCDF}Benchmark"))
    if len(found) != 1:
        raise ValueError(f"{path} has {len(found)} benchmarks of XCCDF 1.2, and one is wanted")
    (benchmark,) = found
    rules = list(benchmark.iter(f"{_XCCDF}Rule"))
    selected = frozenset(_short(each) for each in rules if each.get("selected", "true") in ("true", "1"))
    profiles = {str(each.get("id")): each for each in benchmark.iter(f"{_XCCDF}Profile")}
    return Benchmark(
        version=(benchmark.findtext(f"{_XCCDF}version") or "").strip(),
        severities={_short(each): each.get("severity", "unknown") for each in rules},
        values=frozenset(map(_short, benchmark.iter(f"{_XCCDF}Value"))),
        profiles={_short(each): _profile(each, profiles, selected) for each in profiles.values()},
    )


def _profile(
    element: ElementTree.Element, profiles: Mapping[str, ElementTree.Element], selected: frozenset[str]
) -> Profile:
    chain = [element]
    while (parent := profiles.get(chain[-1].get("extends", ""))) is not None:
        chain.append(parent)
        if len(chain) > _DEPTH:
            raise ValueError(f"{element.get('id')} extends more than {_DEPTH} profiles")
    rules, choices = set(selected), dict[str, str]()
    for each in reversed(chain):
        for select in each.iter(f"{_XCCDF}select"):
            change = rules.add if select.get("selected") in ("true", "1") else rules.discard
            change(_short(select, "idref"))
        for refined in each.iter(f"{_XCCDF}refine-value"):
            choices[_short(refined, "idref")] = refined.get("selector", "")
        for given in each.iter(f"{_XCCDF}set-value"):
            choices[_short(given, "idref")] = (given.text or "").strip()
    return Profile(rules=frozenset(rules), choices=choices)


def _short(element: ElementTree.Element, attribute: str = "id") -> str:
    return _PREFIX.sub("", str(element.get(attribute)), count=1)
