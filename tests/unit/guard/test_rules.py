"""The ids of the guard's rules: each is documented once, and each is used."""

import re
from pathlib import Path

from pipeline_core.guard.rules import GuardRule

CHECKOUT = Path(__file__).parents[3]


def documented() -> list[str]:
    text = (CHECKOUT / "docs" / "authoring.md").read_text("utf-8")
    tables = re.findall(r"^\| Rule \| What it refuses \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return re.findall(r"^\| `([a-z0-9-]+)` \|", "".join(tables), re.MULTILINE)


def test_every_rule_has_one_row_in_the_docs_and_every_row_is_a_rule() -> None:
    assert sorted(documented()) == sorted(rule.value for rule in GuardRule)


def test_every_rule_is_one_that_some_code_finds() -> None:
    code = [CHECKOUT / "builder" / "inputs.py", *(CHECKOUT / "pipeline_core" / "guard").glob("*.py")]
    text = "".join(path.read_text("utf-8") for path in code)
    assert [rule for rule in GuardRule if f"Rule.{rule.name}" not in text] == []


def test_the_rules_that_packing_names_are_the_guards() -> None:
    text = (CHECKOUT / "pipeline_core" / "wire" / "bundle.py").read_text("utf-8")
    named = set(re.findall(r'"(bundle-[a-z-]+)"', text))
    assert named
    assert named <= {rule.value for rule in GuardRule}
