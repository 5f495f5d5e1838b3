"""Writes the table of CIS controls in docs/hardening.md from `controls.json`: done by what, tested by what, or why not.

`python -m tools.content.controls --write` writes it. Without `--write` the program says whether the page is up to date.

A test is named by where it is: `scan RULE` (a row of docs/hardening-rules.md), `goss KEY` (the invariants of every
image or the hardening role's own goss file), `hygiene RULE`, and `pytest NAME` (test_behaviour.py, test_firewall.py).
`findings` says which of them is not there. So a control never names a test that was removed.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tools.content import page

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = Path(__file__).with_name("controls.json")
PAGE: Final = ROOT / "docs" / "hardening.md"
BEGIN: Final = "<!-- the table of controls begins -->\n"
END: Final = "<!-- the table of controls ends -->\n"
# Who does it, as the data and `docs/hardening-rules.md` say it, and as the page does.
DOERS: Final = {
    "default": "Azure's image",
    "guide": "guide",
    "role": "role",
    "firewall": "`images/platform/after/70-firewall.sh`",
}
_HEAD: Final = "| Control | Done by | Tested by | Or not, because |\n|---|---|---|---|\n"
_GOSS: Final = ("images/platform/verify/invariants.yaml", "images/roles/rhel9_hardening/tests/goss.yaml")
_BEHAVIOUR: Final = ("tests/content/test_behaviour.py", "tests/content/test_firewall.py")
_SCANNER: Final = "images/platform/hygiene/scanner"
_ROW: Final = re.compile(r"^\| `([A-Za-z0-9_-]+)` \| ([^|]+) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One row: `control` is its number and our words; `tests` are (kind, name); `reason` is why it is not done."""

    control: str
    done: tuple[str, ...]
    tests: tuple[tuple[str, str], ...]
    reason: str


def read(text: str) -> tuple[Control, ...]:
    """The controls in the order of the file. Raises ValueError or KeyError if it has another form."""
    return tuple(_control(each) for each in json.loads(text)["controls"])


def _control(entry: Mapping[str, Any]) -> Control:
    unknown = set(entry) - {"control", "done", "tests", "reason"}
    if unknown:
        raise ValueError(f"{entry['control']}: {', '.join(sorted(unknown))} is not a key")
    tests = []
    for each in entry.get("tests", ()):
        kind, _, name = each.partition(" ")
        tests.append((kind, name))
    return Control(
        control=entry["control"],
        done=tuple(entry.get("done", ())),
        tests=tuple(tests),
        reason=entry.get("reason", ""),
    )


def findings(controls: Sequence[Control]) -> Iterator[str]:
    """One line for each row that says what is not so: a doer, a test, or a reason that is missing."""
    rules = dict(_ROW.findall(page.PAGE.read_text("utf-8")))
    there = {
        "scan": set(rules),
        "goss": set(_goss_keys()),
        "hygiene": set(_hygiene_rules()),
        "pytest": set(_functions()),
    }
    for each in controls:
        for doer in each.done:
            if doer not in DOERS:
                yield f"{each.control}: {doer} does nothing that is known"
        if not each.done and not each.reason:
            yield f"{each.control}: it is not done, and no reason is given"
        if bool(each.done) is not bool(each.tests):
            yield f"{each.control}: what is done has a test, and nothing else has"
        for kind, name in each.tests:
            if name not in there.get(kind, ()):
                yield f"{each.control}: there is no test `{kind} {name}`"
            elif kind == "scan" and rules[name] in DOERS and rules[name] not in each.done:
                yield f"{each.control}: {rules[name]} does {name}, and the row does not say so"
            elif kind == "scan" and rules[name] not in DOERS:
                yield f"{each.control}: {name} shows nothing: {rules[name]}"


def _goss_keys() -> Iterator[str]:
    for path in _GOSS:
        for section in yaml.safe_load((ROOT / path).read_text("utf-8")).values():
            yield from map(str, section)


def _hygiene_rules() -> Iterator[str]:
    for path in (ROOT / _SCANNER).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("finding"):
                yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


def _functions() -> Iterator[str]:
    for path in _BEHAVIOUR:
        for node in ast.parse((ROOT / path).read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name.removeprefix("test_")


def render(controls: Sequence[Control]) -> str:
    """The table."""
    return _HEAD + "".join(f"{_row(each)}\n" for each in controls)


def _row(control: Control) -> str:
    done = ", ".join(DOERS[each] for each in control.done) or "-"
    return f"| {control.control} | {done} | {', '.join(_shown(control.tests))} | {control.reason} |"


def _shown(tests: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The scan once, then the others by name: what a person would look for."""
    if any(kind == "scan" for kind, _ in tests):
        yield "scan"
    for kind, name in tests:
        if kind == "goss":
            yield f"goss: `{name}`"
        elif kind == "hygiene":
            yield f"hygiene: `{name}`"
        elif kind == "pytest":
            yield f"test: {name.replace('_', ' ')}"


def between(text: str, begin: str, end: str, table: str) -> str:
    """The page with `table` between two marks. Raises ValueError where one is missing."""
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{PAGE.name}: the marks of the table are missing: {begin.strip()}, {end.strip()}")
    return before + begin + table + end + after


def main(arguments: Sequence[str]) -> int:
    """Write the table, or say that it is not up to date (exit status 1)."""
    controls = read(DATA.read_text("utf-8"))
    problems = list(findings(controls))
    text = PAGE.read_text("utf-8")
    now = between(text, BEGIN, END, render(controls))
    if now != text and "--write" in arguments:
        PAGE.write_text(now, encoding="utf-8")
    elif now != text:
        problems.append(f"{PAGE.name} is not what controls.json says: run it with --write")
    sys.stderr.write("".join(f"{each}\n" for each in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
