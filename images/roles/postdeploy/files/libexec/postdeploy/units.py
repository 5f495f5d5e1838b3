"""Services by systemctl: start them again, and wait until they stay up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from postdeploy.host import Host

START_SECONDS = 300
_CALL_SECONDS = 120.0
_ON_THE_WAY = frozenset({"activating", "deactivating", "reloading"})
_LOOK_SECONDS = 0.5
_OURS = frozenset({"certlc-run.service", "agent-enroll.service"})


@dataclass(frozen=True)
class Applied:
    """What became of a restart or reload. `why` says why the service is not up; it is empty if the service is up."""

    why: str = ""
    # systemd left the service out, because a condition of its unit does not hold. It did not run before either.
    is_not_yet: bool = False


def apply(host: Host, unit: str, action: str, settle: int, start: int) -> Applied:
    """Restart or reload a service, and wait until it is up.

    A service that does not run is started by either action. Its stop and start may take `start` seconds together; then
    it must be active for `settle` seconds without a break.
    """
    # One that ran, and that systemd leaves out now, is an outage.
    ran = is_active(host, unit)
    began = time.monotonic()
    why = _ask(host, unit, action) or _wait_for_end(host, unit, start) or _settle(host, unit, settle)
    if why and _is_left_out(host, unit, began):
        return Applied(why=f"{why}, because a condition of the unit does not hold", is_not_yet=not ran)
    return Applied(why=why)


def _ask(host: Host, unit: str, action: str) -> str:
    """Ask systemd to restart or reload. Returns why it would not, or an empty text."""
    verb = {"restart": "restart", "reload": "reload-or-restart"}[action]
    # systemctl itself would wait as long as the unit allows, and then end with the same status as for a broken service.
    done = host.run(["systemctl", verb, "--no-block", "--", unit], seconds=_CALL_SECONDS)
    return "" if done.returncode == 0 else f"systemctl {verb} {unit} ended with {done.returncode}"


def _settle(host: Host, unit: str, settle: int) -> str:
    """Look whether a service stays up. Returns what is wrong, or an empty text."""
    end = time.monotonic() + settle
    while True:
        if not is_active(host, unit):
            return f"{unit} is not active"
        if time.monotonic() >= end:
            return ""
        time.sleep(min(_LOOK_SECONDS, settle))


def _is_left_out(host: Host, unit: str, began: float) -> bool:
    """Whether systemd has looked at the conditions of a unit since `began`, and has left it out.

    Without the time this would not be known: a unit whose conditions were never looked at has the result `no` too, and
    so has one that systemd has forgotten because nothing wants it.
    """
    found = _show(host, unit, "ActiveState,ConditionResult,ConditionTimestampMonotonic")
    looked = int(found.get("ConditionTimestampMonotonic") or 0) / 1_000_000  # it counts in microseconds
    return (found.get("ActiveState"), found.get("ConditionResult")) == ("inactive", "no") and looked >= began


def _wait_for_end(host: Host, unit: str, start: int) -> str:
    """Wait until systemd has done what it was asked for. Returns why the service is not up, or an empty text."""
    end = time.monotonic() + start
    while True:
        found = _show(host, unit, "Job,ActiveState,SubState,ReloadResult")
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


def _show(host: Host, unit: str, names: str) -> dict[str, str]:
    """The named properties of a unit, as systemd says them."""
    words = ["systemctl", "show", f"--property={names}", "--", unit]
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
