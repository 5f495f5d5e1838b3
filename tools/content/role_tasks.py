"""Writes the table of the role's tasks in docs/hardening.md from `role_tasks.json`: each task, and why it stays.

`python -m tools.content.role_tasks --write` writes it. Without `--write` it says whether the page is up to date.

The role has what the guide does not do in each profile, and what it does in another way. So a task is listed with the
rules of the guide that are about the same, and none of them may be selected by every profile.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tools.content import controls
from tools.content.benchmark import Benchmark

DATA: Final = Path(__file__).with_name("role_tasks.json")
ROLE: Final = controls.ROOT / "images" / "roles" / "rhel9_hardening"
BEGIN: Final = "<!-- the table of tasks begins -->\n"
END: Final = "<!-- the table of tasks ends -->\n"
_STRUCTURE: Final = ("ansible.builtin.import_tasks",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTask:
    """A task by its name, why the role has it, and the rules that are about the same."""

    task: str
    reason: str
    rules: tuple[str, ...]


def read(text: str) -> tuple[RoleTask, ...]:
    """The tasks in the order of the file. Raises KeyError if one has no reason."""
    return tuple(
        RoleTask(task=each["task"], reason=each["reason"], rules=tuple(each.get("rules", ())))
        for each in json.loads(text)["tasks"]
    )


def names() -> set[str]:
    """The tasks that the role has. A block is one."""
    found = set[str]()
    for path in (ROLE / "tasks").glob("*.yml"):
        for task in yaml.safe_load(path.read_text("utf-8")):
            if not any(each in task for each in _STRUCTURE):
                found.add(task["name"])
    return found


def settings() -> dict[str, str]:
    """The guide's rule for each kernel parameter and module that the role sets, by the words of the role."""
    defaults: Mapping[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))
    names = (*defaults["rhel9_hardening_sysctl"], *defaults["rhel9_hardening_sysctl_of_cis"])
    parameters = {name: f"sysctl_{name.replace('.', '_')}" for name in names}
    modules = {name: f"kernel_module_{name}_disabled" for name in defaults["rhel9_hardening_blocked_modules"]}
    return parameters | modules


def left_to_do(tasks: Sequence[RoleTask], guide: Benchmark, profiles: Sequence[str]) -> Iterator[str]:
    """One line for each task, parameter or module that every profile of the guide covers."""
    everywhere = frozenset.intersection(*(guide.profiles[each].rules for each in profiles))
    for each in tasks:
        for rule in each.rules:
            if rule in everywhere:
                yield f"{each.task}: every profile has {rule}, so leave it to the guide"
    for name, rule in settings().items():
        if rule in everywhere:
            yield f"{name}: every profile has {rule}, so leave it to the guide"


def findings(tasks: Sequence[RoleTask]) -> Iterator[str]:
    """Tasks without a row, and rows without a task."""
    listed = {each.task for each in tasks}
    for name in sorted(names() - listed):
        yield f"{name}: the role has this task, and role_tasks.json has no reason for it"
    for name in sorted(listed - names()):
        yield f"{name}: the role has no such task, so take it out of role_tasks.json"


def render(tasks: Sequence[RoleTask]) -> str:
    """The table."""
    rows = "".join(f"| {each.task} | {each.reason} |\n" for each in tasks)
    return f"| Task | Why the guide does not do it |\n|---|---|\n{rows}"


def main(arguments: Sequence[str]) -> int:
    """Write the table, or say that it is not up to date (exit status 1)."""
    tasks = read(DATA.read_text("utf-8"))
    problems = list(findings(tasks))
    text = controls.PAGE.read_text("utf-8")
    now = controls.between(text, BEGIN, END, render(tasks))
    if now != text and "--write" in arguments:
        controls.PAGE.write_text(now, encoding="utf-8")
    elif now != text:
        problems.append(f"{controls.PAGE.name} is not what role_tasks.json says: run it with --write")
    sys.stderr.write("".join(f"{each}\n" for each in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
