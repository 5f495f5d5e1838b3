"""Services by systemctl: start them again, and wait until they stay up."""

from __future__ import annotations

import time

from postdeploy.host import Host

START_SECONDS = 300
_CALL_SECONDS = 120.0
_ON_THE_WAY = frozenset({"activating", "deactivating", "reloading"})
_LOOK_SECONDS = 0.5
_OURS = frozenset({"certlc-run.service", "agent-enroll.service"})


def apply(host: Host, unit: str, action: str, settle: int, start: int) -> str:
    """Restart or reload a service. Returns why it did not come up, or an empty text if it is up.

    A service that does not run is started by either action. Its stop and start may take `start` seconds together; then
    it must be active for `settle` seconds without a break.
    """
    verb = {"restart": "restart", "reload": "reload-or-restart"}[action]
    # systemctl itself would wait as long as the unit allows, and then end with the same status as for a broken service.
    done = host.run(["systemctl", verb, "--no-block", "--", unit], seconds=_CALL_SECONDS)
    if done.returncode != 0:
        return f"systemctl {verb} {unit} ended with {done.returncode}"
    why = _wait_for_end(host, unit, start)
    if why:
        return why
    end = time.monotonic() + settle
    while True:
        if not is_active(host, unit):
            return f"{unit} is not active"
        if time.monotonic() >= end:
            return ""
        time.sleep(min(_LOOK_SECONDS, settle))


def _wait_for_end(host: Host, unit: str, start: int) -> str:
    """Wait until systemd has done what it was asked for. Returns why the service is not up, or an empty text."""
    end = time.monotonic() + start
    while True:
        found = _show(host, unit)
        state, sub = found.get("ActiveState", ""), found.get("SubState", "")
        # systemd will start it again after it died: that is a service that does not come up.
        if sub.startswith("auto-restart") and not found.get("Job"):
            return f"{unit} died while it started"
        # A unit with a job may still show the state from before it.
        if not found.get("Job") and state not in _ON_THE_WAY:
            break
        if time.monotonic() >= end:
            return f"{unit} is still {state} ({sub}) after {start} s"
        time.sleep(_LOOK_SECONDS)
    if state != "active":
        return f"{unit} is not active: {state} ({sub})"
    reload = found.get("ReloadResult") or "success"
    return "" if reload == "success" else f"{unit} could not be reloaded: {reload}"


def _show(host: Host, unit: str) -> dict[str, str]:
    """The properties of a unit that say how a job of it went."""
    words = ["systemctl", "show", "--property=Job,ActiveState,SubState,ReloadResult", "--", unit]
    lines = host.run(words, seconds=_CALL_SECONDS).stdout.decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


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
    """Let a service start with every boot. Returns why this failed, or an empty text."""
    done = host.run(["systemctl", "enable", "--", unit], seconds=_CALL_SECONDS)
    return "" if done.returncode == 0 else f"systemctl enable {unit} ended with {done.returncode}"
