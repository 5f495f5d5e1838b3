"""One run of a program: the lock, the report, the configuration, and what both programs work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postdeploy import events, files, settings
from postdeploy.azure import Patience, Vault
from postdeploy.failures import Failed
from postdeploy.host import Host
from postdeploy.report import RunReport


@dataclass(frozen=True)
class OneRun:
    """What a run works with. `patience` is shared: it limits all waiting of the run."""

    host: Host
    settings: settings.Settings
    vault: Vault
    patience: Patience
    report: RunReport


def once(host: Host, program: str, work: Callable[[OneRun], None]) -> int:
    """Run `work`, unless another run of the program is going on. Returns the exit status."""
    try:
        with files.only_one(host.state / f"{program}.lock"):
            return _reported(host, program, work)
    except Failed as failed:
        events.say("failed", "warning", program=program, reason=failed.reason, text=failed.text)
        return int(failed.code)


def _reported(host: Host, program: str, work: Callable[[OneRun], None]) -> int:
    report = RunReport(host, program)
    waited = 0.0
    try:
        wanted = settings.read(host.configuration)
        patience = Patience(wanted.wait_seconds, host.first_pause)
        vault = Vault(host, wanted.vault, wanted.client_id, patience)
        work(OneRun(host=host, settings=wanted, vault=vault, patience=patience, report=report))
        waited = patience.waited
    except Failed as failed:
        report.fail(failed)
    return report.end(waited)
