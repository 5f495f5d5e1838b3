"""Everything that is looked at, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from scanner import accounts, agents, build_sources, contents, leftovers, machine, search
from scanner.failure import CannotLook
from scanner.finding import Finding, Judged, shown_name
from scanner.provenance.rpms import Rpms
from scanner.provenance.wheels import Wheels
from scanner.system import System

_Answer = TypeVar("_Answer")
# By the rules of each, as a message names them.
_JUDGES: tuple[tuple[str, Callable[[System], Iterator[Finding]]], ...] = (
    ("history, credentials, authorised-key, password", accounts.judge),
    ("enrolment", agents.judge),
    ("leftover", leftovers.judge),
    ("machine-state, machine-name", machine.judge),
    ("build-source", build_sources.judge),
)


def everywhere(system: System, note: Callable[[str], object]) -> Iterator[Finding | Judged]:
    """All findings, and what packages vouch for. `note` gets lines for the log. Raises CannotLook."""
    managers = (Wheels(), Rpms(root=system.root, note=note))

    def vouch(path: str, sha256: str) -> str | None:
        return next(filter(None, (manager.vouch(path, sha256) for manager in managers)), None)

    def secrets() -> list[Finding | Judged]:
        return list(contents.judge(system, search.candidates(system), vouch))

    yield from asked("private-key, token", secrets)
    for rules, judge in _JUDGES:
        yield from asked(rules, partial(_listed, judge, system))


def _listed(judge: Callable[[System], Iterator[Finding]], system: System) -> list[Finding]:
    return list(judge(system))


def asked(rules: str, ask: Callable[[], _Answer]) -> _Answer:
    """The answer. Raises CannotLook, with one line, for whatever goes wrong: a traceback says nothing to a team."""
    try:
        return ask()
    except CannotLook:
        raise
    except Exception as error:
        said = shown_name(" ".join(str(error).split()))
        raise CannotLook(f"could not look: {rules}: {type(error).__name__}: {said}"[:500]) from error
