"""Enrols the agents that a machine's configuration names: package, enrolment value, service.

Each step is done only where it is not done yet, so a second run completes a first that failed. The value comes from
Key Vault, is checked against the form in the agent's definition, and is handed on; no log, no state and no error
holds it. An agent that Azure installs is only looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postdeploy import agents, files, host, packages, runs, units
from postdeploy.agents import AgentDefinition
from postdeploy.failures import Exit, Failed
from postdeploy.settings import AgentWish

_SETTLE_SECONDS = 10


class AgentRun:
    """One agent in one run."""

    def __init__(self, run: runs.OneRun, wish: AgentWish, settle: int) -> None:
        self._host, self._vault, self._patience = run.host, run.vault, run.patience
        self._wish, self._settle = wish, settle
        self._path = run.host.state / "agents" / f"{wish.agent}.json"
        self.facts: dict[str, Any] = {}

    def run(self) -> str:
        """Bring the agent up. Returns `unchanged`, `enrolled` or `running`. Raises Failed."""
        definition = agents.read(self._host, self._wish.agent)
        if definition.is_installed_by_azure:
            self._wait_for_azure(definition)
            return "running"
        if not self._wish.secret:
            text = f"the agent {self._wish.agent} needs a secret with its enrolment value"
            raise Failed(Exit.CONFIGURATION, "no-secret", text)
        is_new = not packages.installed_version(self._host, definition.package)
        if is_new:
            packages.install(self._host, definition)
        self.facts["package"] = packages.installed_version(self._host, definition.package)
        is_enrolled = self._is_enrolled(definition)
        if not is_enrolled:
            self._enrol(definition)
        is_running = self._record().get("isStarted") is True and units.is_active(
            self._host, definition.service
        )
        if not is_running:
            self._start(definition)
        return "unchanged" if is_enrolled and is_running and not is_new else "enrolled"

    def _record(self) -> dict[str, Any]:
        return files.read_json(self._path)

    def _is_enrolled(self, definition: AgentDefinition) -> bool:
        """Whether a run of ours has enrolled it, and what the vendor leaves is still there."""
        record = self._record()
        if record.get("secret") != self._wish.secret or not self._host.below(definition.enrolled).exists():
            return False
        self.facts["version"] = record.get("version")
        return True

    def _enrol(self, definition: AgentDefinition) -> None:
        secret = self._vault.get(self._wish.secret, waits_for_grant=True)
        self.facts["version"] = secret.version
        value = definition.checked_value(secret.value)
        if definition.file:
            files.replace(self._host.below(definition.file), value.encode())
        else:
            done = self._host.run(definition.words(self._host, value))
            # What it says is left out: it could repeat its arguments.
            if done.returncode != 0:
                text = f"{definition.program} ended with {done.returncode}"
                raise Failed(Exit.ENROLMENT, "enrol", text)
        if not self._host.below(definition.enrolled).exists():
            text = f"{definition.enrolled} is not there after the enrolment"
            raise Failed(Exit.ENROLMENT, "not-enrolled", text)
        files.write_json(self._path, {"secret": self._wish.secret, "version": secret.version})

    def _start(self, definition: AgentDefinition) -> None:
        """The service runs now and with every boot. It is started again even if it runs: it may have started with its
        installation, before it was enrolled.
        """
        why = units.enable(self._host, definition.service)
        if not why:
            why = units.apply(
                self._host, definition.service, "restart", self._settle, units.START_SECONDS
            ).why
        if why:
            raise Failed(Exit.ENROLMENT, "service-down", why)
        files.write_json(self._path, {**self._record(), "isStarted": True})

    def _wait_for_azure(self, definition: AgentDefinition) -> None:
        attempt = 0
        while not units.is_active(self._host, definition.service):
            if not self._patience.wait(attempt):
                text = f"{definition.service} does not run: Azure installs it as an extension, so look at its policy"
                raise Failed(Exit.ENROLMENT, "absent", text)
            attempt += 1


def main(arguments: Sequence[str]) -> int:
    """Run once. Returns the exit status."""
    options = host.parser("Enrol the agents of this machine.")
    options.add_argument(
        "--settle", type=int, default=_SETTLE_SECONDS, help="for tests: how long a service must run"
    )
    chosen = options.parse_args(arguments)

    def work(run: runs.OneRun) -> None:
        for wish in run.settings.agents:
            each = AgentRun(run, wish, chosen.settle)
            run.report.attempt("agent", wish.agent, each.facts, each.run)

    return runs.once(host.of(chosen), "enrol", work)
