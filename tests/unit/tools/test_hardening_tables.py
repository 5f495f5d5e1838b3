"""Two tables of docs/hardening.md are made from data: controls with their tests, and the tasks of the role."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools.content import controls, role_tasks
from tools.content.benchmark import Benchmark, Profile

PAGE = controls.PAGE.read_text("utf-8")
CONTROLS = controls.read(controls.DATA.read_text("utf-8"))
TASKS = role_tasks.read(role_tasks.DATA.read_text("utf-8"))


def test_the_table_of_controls_is_made_from_its_data() -> None:
    now = controls.between(PAGE, controls.BEGIN, controls.END, controls.render(CONTROLS))
    assert now == PAGE, "run python -m tools.content.controls --write"


def test_each_control_names_who_does_it_and_tests_that_are_there() -> None:
    assert list(controls.findings(CONTROLS)) == []


def row(**parts: Any) -> tuple[controls.Control, ...]:
    return controls.read(json.dumps({"controls": [{"control": "1.1 x", **parts}]}))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"done": ["guide"]}, "what is done has a test"),
        ({"tests": ["goss sshd -T"], "reason": "none"}, "what is done has a test"),
        ({}, "no reason is given"),
        ({"done": ["nobody"], "tests": ["goss sshd -T"]}, "nobody does nothing that is known"),
        ({"done": ["role"], "tests": ["goss /no/such/file"]}, "there is no test `goss /no/such/file`"),
        ({"done": ["role"], "tests": ["pytest nothing"]}, "there is no test `pytest nothing`"),
        ({"done": ["role"], "tests": ["hygiene nothing"]}, "there is no test `hygiene nothing`"),
        ({"done": ["role"], "tests": ["look twice"]}, "there is no test `look twice`"),
        ({"done": ["guide"], "tests": ["scan no_rule"]}, "there is no test `scan no_rule`"),
        ({"done": ["role"], "tests": ["scan accounts_tmout"]}, "guide does accounts_tmout"),
        ({"done": ["role"], "tests": ["scan grub2_password"]}, "grub2_password shows nothing: waived"),
    ],
)
def test_a_row_that_is_not_so_is_told(parts: dict[str, Any], told: str) -> None:
    (found,) = controls.findings(row(**parts))
    assert told in found


def test_a_row_with_another_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.1 x: waived is not a key"):
        row(waived="yes")


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the marks of the table are missing"):
        controls.between("# A page\n", controls.BEGIN, controls.END, "")


def test_the_table_of_tasks_is_made_from_its_data() -> None:
    now = controls.between(PAGE, role_tasks.BEGIN, role_tasks.END, role_tasks.render(TASKS))
    assert now == PAGE, "run python -m tools.content.role_tasks --write"


def test_each_task_of_the_role_has_a_reason() -> None:
    assert list(role_tasks.findings(TASKS)) == []


def test_a_task_without_a_row_and_a_row_without_a_task_are_told() -> None:
    first, *others = TASKS
    gone = role_tasks.RoleTask(task="Gone", reason="none", rules=())
    assert list(role_tasks.findings([*others, gone])) == [
        f"{first.task}: the role has this task, and role_tasks.json has no reason for it",
        "Gone: the role has no such task, so take it out of role_tasks.json",
    ]


def _guide(*rules: tuple[str, ...]) -> Benchmark:
    profiles = {str(number): Profile(rules=frozenset(each), choices={}) for number, each in enumerate(rules)}
    return Benchmark(version="", severities={}, values=frozenset(), profiles=profiles)


def _left(*rules: tuple[str, ...]) -> Iterator[str]:
    task = role_tasks.RoleTask(task="Lock", reason="none", rules=("rule_a",))
    return role_tasks.left_to_do([task], _guide(*rules), [str(number) for number in range(len(rules))])


def test_what_every_profile_of_the_guide_selects_is_no_task_of_the_role() -> None:
    parameter = "sysctl_kernel_dmesg_restrict"
    assert list(_left(("rule_a", parameter), ())) == []
    assert list(_left(("rule_a", parameter), ("rule_a", parameter, "b"))) == [
        "Lock: every profile has rule_a, so leave it to the guide",
        f"kernel.dmesg_restrict: every profile has {parameter}, so leave it to the guide",
    ]
