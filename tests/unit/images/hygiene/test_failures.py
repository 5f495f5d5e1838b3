"""What cannot be looked at is one line and an exit code, never a traceback, and never "nothing found"."""

import findings
import pytest
from scanner import agents, leftovers, look
from scanner.system import System

from tests.unit.images.hygiene.machine import Machine

pytestmark = pytest.mark.process


def _answer(machine: Machine) -> findings.Answer:
    return findings.answer(["--phase", "build", "--root", str(machine.root)], {})


def test_a_judge_that_fails_is_named_by_its_rules(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(system: System) -> list[str]:
        raise KeyError("a\nb")

    monkeypatch.setattr(look, "_JUDGES", (("enrolment", agents.judge), ("leftover", fail)))
    said = _answer(machine)
    assert (said.code, said.output) == (1, "")
    assert said.notes == ("could not look: leftover: KeyError: 'a\\nb'",)


def test_each_judge_has_a_name_for_its_rules() -> None:
    assert leftovers.judge in [judge for _, judge in look._JUDGES]
    assert all(rules for rules, _ in look._JUDGES)


def test_accounts_that_cannot_be_read_are_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: str) -> tuple[()]:
        raise ValueError("odd")

    monkeypatch.setattr(findings, "accounts_of", fail)
    assert _answer(machine).notes == ("could not look: accounts: ValueError: odd",)
