"""The table of docs/hardening-rules.md: each rule, what does it, and what asks whether it holds."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tools.content import tailoring, verdict
from tools.content.harden import HardenedRoot

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "hardening-rules.md"
_HEAD: Final = """\
# Each rule of the default profile

Written by `pytest tests/content --update-golden` from what oscap says of a [made root](hardening.md#the-made-root).
The rules are those of the guide of Debian 12 (0.1.65), which names no controls: [another table](hardening.md) has them.

*Default*: Azure's image passes. *Guide*: the playbook that the SCAP Security Guide writes does it. *Role*: the role
`rhel9_hardening` does it. Whatever did it, oscap asks again in the verify stage of every image. The last column is the
test that was written apart and asks the system.

| Rule | Done by | Also asked by |
|---|---|---|
"""
# The first that matches. Each is a test of images/platform/verify or of tests/content/test_behaviour.py.
_ASKED: Final = (
    (r"accounts_password_pam_(min|retry)", "`pwscore`"),
    (r"^sshd_|disable_host_auth|configure_ssh_crypto", "`sshd -T`"),
    (r"^mount_option_(tmp|home|var_no|dev_shm)", "`findmnt`"),
    (r"^sudo_", "`visudo -c`, `sudo -l`"),
    (r"^accounts_tmout", "`readonly -p` in a login shell"),
    (r"^accounts_umask", "`umask` in a shell"),
    (r"^account_disable_post_pw", "`useradd -D`, a trial account"),
    (r"^configure_crypto_policy", "`update-crypto-policies --show`"),
    (
        r"^sysctl_(kernel_randomize|net_ipv4_(conf_all_(accept|send)_redirects|ip_forward|tcp_syn))",
        "`sysctl`",
    ),
    (r"use_pam_wheel", "`getent group sugroup`"),
    (r"(crontab|cron_allow|at_allow|cron_deny|at_deny)", "goss: mode and absence"),
    (r"aide_", "goss: the database and its timer"),
    (r"service_crond", "goss: the service runs"),
)


def render(hardened: HardenedRoot) -> str:
    """The whole page."""
    return _HEAD + "".join(f"{row}\n" for row in _rows(hardened))


def _rows(hardened: HardenedRoot) -> Iterator[str]:
    known = verdict.reasons()
    profile = hardened.after.profile
    (left_out,) = [
        dict(each.rules)
        for each in tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8"))
        if each.profile == profile
    ]
    rules = set(hardened.raw_before.results)
    for rule in sorted(rules):
        if rule in left_out:
            by = f"waived: {_reason(left_out, rule)}"
        elif rule in known.unanswered:
            by = f"a made root cannot say: {known.unanswered[rule]}"
        elif rule in known.failing[profile]:
            by = f"fails: {known.failing[profile][rule]}"
        else:
            by = _done(rule, hardened)
        asked = next((text for pattern, text in _ASKED if re.search(pattern, rule)), "")
        yield f"| `{rule}` | {by} | {asked or '-'} |"


def _done(rule: str, hardened: HardenedRoot) -> str:
    states = [
        each.results.get(rule, ("",))[0] for each in (hardened.before, hardened.between, hardened.after)
    ]
    if states[2] == "notapplicable":
        return "not applicable"
    if states[2] != "pass":
        return states[2]
    return "default" if states[0] == "pass" else "guide" if states[1] == "pass" else "role"


def _reason(left_out: Mapping[str, str], rule: str) -> str:
    """The reason itself where an entry says `as OTHER`."""
    reason = left_out[rule]
    return left_out.get(reason.removeprefix("as "), reason)
