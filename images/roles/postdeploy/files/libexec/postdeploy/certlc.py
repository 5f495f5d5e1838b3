"""The life of a machine's certificates: read from Key Vault, check, install, restart what reads them, go back if it
does not come up.

Each run derives what to do from the vault, the files and a small record for each certificate:

- `proven`: the version with which all services came up last, and the one before it (`former`);
- `pending`: what a run has begun, and how often. A run that was killed leaves it, and the next one completes it, or
  goes back to the proven version where it cannot;
- `refused`: the version with which a service did not come up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from postdeploy import events, files, host, openssl, runs, units, versions
from postdeploy.azure import KeptSecret
from postdeploy.failures import Exit, Failed
from postdeploy.settings import CertificateWish

_SOON_DAYS = 14
_DAY = 86400
# A version with which a service did not come up is not tried again every hour: each try is an outage.
_REFUSED_SECONDS = _DAY
# One killed run may be chance, as a reboot is. With two, the version itself is suspected.
_MOST_TRIES = 2


@dataclass
class Record:
    """What is remembered of one certificate. The parts are JSON objects, or empty."""

    proven: dict[str, Any] = field(default_factory=dict)
    former: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, Any] = field(default_factory=dict)


class CertificateRun:
    """One certificate in one run."""

    def __init__(self, run: runs.OneRun, wish: CertificateWish) -> None:
        self._host, self._vault, self._wish = run.host, run.vault, wish
        self._source = f"{run.settings.vault}/secrets/{wish.name}"
        self._versions = versions.InstalledVersions(run.host, wish)
        self._path = run.host.state / "certificates" / f"{wish.folder}.json"
        found = files.read_json(self._path)
        parts = ("proven", "former", "pending", "refused")
        self._record = Record(**{part: found.get(part) or {} for part in parts})
        self.facts: dict[str, Any] = {}

    def run(self, *, by_hand: bool) -> str:
        """Bring the certificate up to date. Returns `unchanged`, `installed` or `rotated`. Raises Failed."""
        pending = self._record.pending
        if pending.get("step") == "restore":
            self._restore()
        elif self._has_proven() and self._tries() >= _MOST_TRIES:
            why = f"{self._tries()} runs were killed before its services were up"
            self._save_restore({**pending, "why": why})
            self._restore()
        elif not pending:
            self._tidy()
        try:
            secret, laid = self._wanted()
            if self._is_current(secret, laid):
                return "unchanged"
            self._check_refused(secret, laid, by_hand=by_hand)
            self._check_order()
        except Failed:
            self._leave_unproven()
            raise
        state = "rotated" if self._record.proven else "installed"
        self._activate(secret, laid)
        return state

    def _wanted(self) -> tuple[KeptSecret, versions.LaidFiles]:
        """The version that the vault gives, checked, and the files that it becomes."""
        secret = self._vault.get(self._wish.name, self._wish.version, waits_for_grant=not self._record.proven)
        self.facts["version"] = secret.version
        checked = openssl.check(self._host, secret)
        days = (checked.not_after - time.time()) / _DAY
        self.facts["days_left"] = int(days)
        if days < _SOON_DAYS:
            events.say("expires-soon", "warning", certificate=self._wish.name, **self.facts)
        return secret, versions.plan(self._wish, checked.files())

    def _check_order(self) -> None:
        for service in self._wish.services:
            if ours := units.waits_for_us(self._host, service.unit):
                text = f"{service.unit} has After={ours}, which is to start it: remove that from the unit"
                raise Failed(Exit.CONFIGURATION, "service-order", text)

    def _tries(self) -> int:
        return int(self._record.pending.get("tries") or 0)

    def _has_proven(self) -> bool:
        return bool(self._record.proven) and self._versions.has(self._record.proven["folder"])

    def _leave_unproven(self) -> None:
        """What a killed run has begun cannot be completed now: go back to the proven version, if there is one.

        The version is not refused: nothing is known of it. Where the link has not moved yet, no service has read it.
        """
        if not self._record.pending or not self._has_proven():
            return
        if self._versions.leads_to(self._record.proven["folder"]):
            self._save(Record(self._record.proven, self._record.former, {}, self._record.refused))
            return
        self._save_restore(self._record.pending)
        self._restore()

    def _is_current(self, secret: KeptSecret, laid: versions.LaidFiles) -> bool:
        proven = self._record.proven
        return (
            not self._record.pending
            and (proven.get("source"), proven.get("version")) == (self._source, secret.version)
            and proven.get("layout") == laid.layout
            and self._versions.holds(str(proven.get("folder")), laid.layout)
        )

    def _check_refused(self, secret: KeptSecret, laid: versions.LaidFiles, *, by_hand: bool) -> None:
        """Where a former version serves, leave one alone that a service has refused. A person may ask for it."""
        refused = self._record.refused
        is_same = (refused.get("version"), refused.get("layout")) == (secret.version, laid.layout)
        is_fresh = 0 <= time.time() - float(refused.get("at") or 0) < _REFUSED_SECONDS
        if self._record.proven and is_same and is_fresh and not by_hand and not self._record.pending:
            raise Failed(
                Exit.SERVICE,
                "refused-before",
                f"{refused.get('why')}; it is tried again a day after that, or by: systemctl start certlc-run.service",
            )

    def _activate(self, secret: KeptSecret, laid: versions.LaidFiles) -> None:
        record, proven = self._record, self._record.proven
        is_same_content = (
            not record.pending
            and proven.get("layout") == laid.layout
            and self._versions.holds(str(proven.get("folder")), laid.layout)
        )
        is_again = (record.pending.get("version"), record.pending.get("layout")) == (
            secret.version,
            laid.layout,
        )
        tries = self._tries() + 1 if is_again else 1
        new: dict[str, Any] = {
            "source": self._source,
            "version": secret.version,
            "layout": laid.layout,
            "folder": self._versions.stage(secret.version, laid),
        }
        self._save(Record(proven, record.former, {**new, "step": "activate", "tries": tries}, record.refused))
        self._versions.switch(new["folder"])
        why = "" if is_same_content else self._restart()
        if why:
            self._save_restore({**new, "why": why})
            self._restore()
            raise Failed(Exit.SERVICE, "service-down", f"{why}; {self._fate()}")
        self._save(Record(proven=new, former=proven))
        self._tidy()

    def _fate(self) -> str:
        if not self._has_proven():
            return "there is no former version, so the new one stays in place and the next run tries again"
        return f"version {self._record.proven['version']} is back"

    def _save_restore(self, pending: dict[str, Any]) -> None:
        """Note that the services are to have the proven version: a run that is killed on the way is completed."""
        record = self._record
        self._save(Record(record.proven, record.former, {**pending, "step": "restore"}, record.refused))

    def _restore(self) -> None:
        """Go back to the proven version. Where there is none, what was begun stays in place and is tried again.

        What was begun is refused, if there is a reason (`why`).
        """
        record = self._record
        refused = {key: record.pending.get(key) for key in ("version", "layout", "why")}
        if self._has_proven():
            self._versions.switch(record.proven["folder"])
            again = self._restart()
            facts = {"certificate": self._wish.name, "version": record.proven["version"]}
            if again:
                events.say("former-down", "error", **facts, text=again)
            events.say("rolled-back", "error", **facts, refused=refused["version"])
        is_refused = bool(refused["why"])
        kept = {**refused, "at": int(time.time())} if is_refused else record.refused
        self._save(Record(record.proven, record.former, {}, kept))
        self._tidy()

    def _restart(self) -> str:
        """Restart every service of the certificate. Returns what is wrong, or an empty text.

        A service that is not deployed yet is not wrong: what deploys it starts it, with the certificate in place.
        """
        found = []
        for service in self._wish.services:
            applied = units.apply(self._host, service.unit, service.action, service.settle, service.start)
            facts = {"certificate": self._wish.name, "unit": service.unit, "action": service.action}
            if applied.is_not_yet:
                events.say("service", "info", **facts, result="not-yet", text=applied.why)
                continue
            found += [applied.why] if applied.why else []
            level, result = ("error", "down") if applied.why else ("info", "up")
            events.say("service", level, **facts, result=result)
        return "; ".join(found)

    def _tidy(self) -> None:
        record = self._record
        self._versions.forget_others({str(part.get("folder")) for part in (record.proven, record.former)})

    def _save(self, record: Record) -> None:
        self._record = record
        files.write_json(self._path, dict(vars(record)))


def main(arguments: Sequence[str]) -> int:
    """Run once. Returns the exit status."""
    options = host.parser("Install and renew the certificates of this machine from Key Vault.")
    options.add_argument("--by-timer", action="store_true", help="as the timer: leave refused versions alone")
    chosen = options.parse_args(arguments)
    # systemd 252 says which unit started this one. By hand, nothing did.
    by_hand = not chosen.by_timer and not os.environ.get("TRIGGER_UNIT", "").endswith(".timer")

    def work(run: runs.OneRun) -> None:
        for wish in run.settings.certificates:
            each = CertificateRun(run, wish)
            run.report.attempt("certificate", wish.name, each.facts, partial(each.run, by_hand=by_hand))

    return runs.once(host.of(chosen), "certlc", work)
