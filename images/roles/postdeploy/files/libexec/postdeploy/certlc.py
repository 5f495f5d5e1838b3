"""The life of a machine's certificates: read from Key Vault, check, install, restart what reads them, go back if it
does not come up.

Each run derives what to do from the vault, the files and a small record for each certificate:

- `proven`: the version with which all services came up last, and the one before it (`former`);
- `pending`: what a run has begun. A run that was killed leaves it, and the next one completes it;
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
        if self._record.pending.get("step") == "restore":
            self._restore()
        elif not self._record.pending:
            self._tidy()
        secret = self._vault.get(self._wish.name, self._wish.version, waits_for_grant=not self._record.proven)
        self.facts["version"] = secret.version
        checked = openssl.check(self._host, secret)
        days = (checked.not_after - time.time()) / _DAY
        self.facts["days_left"] = int(days)
        if days < _SOON_DAYS:
            events.say("expires-soon", "warning", certificate=self._wish.name, **self.facts)
        laid = versions.plan(self._wish, checked.files())
        if self._is_current(secret, laid):
            return "unchanged"
        self._check_refused(secret, laid, by_hand=by_hand)
        for service in self._wish.services:
            if ours := units.waits_for_us(self._host, service.unit):
                text = f"{service.unit} has After={ours}, which is to start it: remove that from the unit"
                raise Failed(Exit.CONFIGURATION, "service-order", text)
        state = "rotated" if self._record.proven else "installed"
        self._activate(secret, laid)
        return state

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
        new: dict[str, Any] = {
            "source": self._source,
            "version": secret.version,
            "layout": laid.layout,
            "folder": self._versions.stage(secret.version, laid),
        }
        self._save(Record(proven, record.former, {**new, "step": "activate"}, record.refused))
        self._versions.switch(new["folder"])
        why = "" if is_same_content else self._restart()
        if why:
            self._record.pending = {**new, "step": "restore", "why": why}
            self._save(self._record)
            self._restore()
            raise Failed(Exit.SERVICE, "service-down", f"{why}; {self._fate()}")
        self._save(Record(proven=new, former=proven))
        self._tidy()

    def _fate(self) -> str:
        if not self._record.proven or not self._versions.has(self._record.proven["folder"]):
            return "there is no former version, so the new one stays in place and the next run tries again"
        return f"version {self._record.proven['version']} is back"

    def _restore(self) -> None:
        """Go back to the proven version. Where there is none, what was begun stays in place and is tried again."""
        record = self._record
        refused = {key: record.pending.get(key) for key in ("version", "layout", "why")}
        if record.proven and self._versions.has(record.proven["folder"]):
            self._versions.switch(record.proven["folder"])
            again = self._restart()
            facts = {"certificate": self._wish.name, "version": record.proven["version"]}
            if again:
                events.say("former-down", "error", **facts, text=again)
            events.say("rolled-back", "error", **facts, refused=refused["version"])
        self._save(Record(record.proven, record.former, {}, {**refused, "at": int(time.time())}))
        self._tidy()

    def _restart(self) -> str:
        """Restart every service of the certificate. Returns what is wrong, or an empty text."""
        found = []
        for service in self._wish.services:
            why = units.apply(self._host, service.unit, service.action, service.settle)
            found += [why] if why else []
            facts = {"certificate": self._wish.name, "unit": service.unit, "action": service.action}
            events.say("service", "error" if why else "info", **facts, result="down" if why else "up")
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
