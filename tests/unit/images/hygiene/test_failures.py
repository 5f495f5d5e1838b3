"""What cannot be looked at is one line and an exit code, never a traceback, and never "nothing found"."""

import os
from pathlib import Path
from typing import Any

import findings
import pytest
from scanner import agents, contents, leftovers, look, search
from scanner.system import System

from tests.unit.images.hygiene import made
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


def _refusing(path: Path, error: OSError, real: Any) -> Any:
    """A call of the system that fails for one file."""

    def call(name: Any, *rest: Any, **named: Any) -> Any:
        if name == str(path):
            raise error
        return real(name, *rest, **named)

    return call


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), PermissionError(13, "Permission denied")]
)
def test_a_file_that_grep_named_and_that_cannot_be_read_is_not_without_a_finding(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    path = machine.write("opt/app/tls.key", made.key())
    monkeypatch.setattr(contents, "open", _refusing(path, error, open), raising=False)
    said = _answer(machine)
    assert (said.code, said.notes) == (1, (f"could not look: {path}: {error.strerror}",))


def test_a_file_that_vanished_since_is_no_finding(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = str(machine.root / "opt" / "gone.key")
    empty = str(machine.write("opt/empty.key", ""))
    below = str(machine.write("opt/file", "x")) + "/gone.key"
    monkeypatch.setattr(search, "candidates", lambda system: [gone, empty, below])
    assert machine.look() == []
    found = machine.look("verify", booted=2**33)
    assert [line for line in found if line.startswith("/opt/")] == []


def test_a_file_whose_time_cannot_be_read_is_not_taken_for_the_machines_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = machine.write("opt/app/tls.key", made.key())
    monkeypatch.setattr(os, "lstat", _refusing(path, OSError(5, "Input/output error"), os.lstat))
    words = ["--phase", "verify", "--root", str(machine.root), "--booted", str(2**33)]
    said = findings.answer(words, {})
    assert (said.code, said.notes) == (1, (f"could not look: {path}: Input/output error",))
    assert len(machine.look()) == 1  # the build asks for no time
