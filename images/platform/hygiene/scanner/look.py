"""Everything that is looked at, in order."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import accounts, agents, contents, leftovers, machine, search
from scanner.finding import Finding, Judged
from scanner.provenance.rpms import Rpms
from scanner.provenance.wheels import Wheels
from scanner.system import System


def everywhere(system: System) -> Iterator[Finding | Judged]:
    """All findings, and what packages vouch for. Raises CannotLook."""
    managers = (Wheels(), Rpms(root=system.root))

    def vouch(path: str, sha256: str) -> str | None:
        return next(filter(None, (manager.vouch(path, sha256) for manager in managers)), None)

    yield from contents.judge(system, search.candidates(system), vouch)
    for each in (accounts, agents, leftovers, machine):
        yield from each.judge(system)
