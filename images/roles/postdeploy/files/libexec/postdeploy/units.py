"""Services by systemctl: start them again, and wait until they stay up."""

from __future__ import annotations

import time

from postdeploy.host import Host

_CALL_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_OURS = frozenset({"certlc-run.service", "agent-enroll.service"})


def apply(host: Host, unit: str, action: str, settle: int) -> str:
    """Restart or reload a service. Returns why it did not come up, or an empty text if it is up.

    A service that does not run is started by either action. It must be active for `settle` seconds without a break.
    """
    verb = {"restart": "restart", "reload": "reload-or-restart"}[action]
    done = host.run(["systemctl", verb, "--", unit], seconds=_CALL_SECONDS)
    if done.returncode != 0:
        return f"systemctl {verb} {unit} ended with {done.returncode}"
    end = time.monotonic() + settle
    while True:
        if not is_active(host, unit):
            return f"{unit} is not active"
        if time.monotonic() >= end:
            return ""
        time.sleep(min(_LOOK_SECONDS, settle))


def waits_for_us(host: Host, unit: str) -> str:
    """Which of our units a service is ordered after, or an empty text. systemd would start it after the end of the run,
    which waits for its start.
    """
    found = host.run(["systemctl", "show", "--property=After", "--value", "--", unit], seconds=_CALL_SECONDS)
    return min(_OURS & {*found.stdout.decode().split()}, default="")


def is_active(host: Host, unit: str) -> bool:
    """Whether a service runs now."""
    return host.run(["systemctl", "is-active", "--quiet", "--", unit], seconds=_CALL_SECONDS).returncode == 0


def enable(host: Host, unit: str) -> str:
    """Start a service now and with every boot. Returns why this failed, or an empty text."""
    done = host.run(["systemctl", "enable", "--now", "--", unit], seconds=_CALL_SECONDS)
    return "" if done.returncode == 0 else f"systemctl enable --now {unit} ended with {done.returncode}"
