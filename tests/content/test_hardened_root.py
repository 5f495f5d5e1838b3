"""What the platform's steps reach on a made root, by the real oscap and the real Ansible of RHEL 9.

The lists of `tools/content/reasons.json` hold: a rule that fails without a reason is an error, and so is a reason that
is not needed any more.
"""

import pytest

from tools.content import harden, page, verdict
from tools.content.guest import GuestRun
from tools.content.harden import HardenedRoot

pytestmark = [pytest.mark.xdist_group("content"), pytest.mark.timeout(1800), pytest.mark.content]


def _failures(run: GuestRun) -> list[str]:
    return [line for line in run.output.splitlines() if line.startswith(("fatal:", "failed:"))]


def test_the_playbook_of_the_guide_runs_to_its_end(hardened: HardenedRoot) -> None:
    assert hardened.generated.code == 0, _failures(hardened.generated)


def test_the_role_runs_to_its_end_and_changes_nothing_the_second_time(hardened: HardenedRoot) -> None:
    assert hardened.first.code == 0, _failures(hardened.first)
    assert hardened.second.code == 0, _failures(hardened.second)
    changed = [line for line in hardened.second.output.splitlines() if line.startswith("changed:")]
    assert changed == []
    assert "changed=0" in hardened.second.output


def test_all_rules_pass_but_those_with_a_reason(hardened: HardenedRoot) -> None:
    assert list(verdict.findings(hardened.after, verdict.reasons())) == []


def test_the_share_of_the_default_profile_is_reached(hardened: HardenedRoot) -> None:
    known = verdict.reasons()
    unanswered = frozenset(known.unanswered)
    assert hardened.before.share(unanswered) < 70
    assert hardened.after.share(unanswered) >= verdict.SHARE
    left_out = set(hardened.raw_after.results) - set(hardened.after.results)
    assert len(left_out) + len(known.failing["cis_server_l1"]) <= verdict.OTHERS
    print()
    for title, found in (
        ("not hardened", hardened.before),
        ("not hardened, without tailoring", hardened.raw_before),
        ("hardened", hardened.after),
        ("hardened, without tailoring", hardened.raw_after),
    ):
        print(verdict.table(title, found, known))
    print(f"the guide's playbook took {hardened.seconds:.0f} s")


def test_the_raw_scan_fails_nothing_but_what_secops_left_out(hardened: HardenedRoot) -> None:
    known = verdict.reasons()
    left_out = set(hardened.raw_after.results) - set(hardened.after.results)
    told = left_out | set(known.failing["cis_server_l1"]) | set(known.unanswered) | VALUES
    assert hardened.raw_after.failing() - told == set()


def test_the_page_lists_each_rule(hardened: HardenedRoot, request: pytest.FixtureRequest) -> None:
    text = page.render(hardened)
    if request.config.getoption("--update-golden"):
        page.PAGE.write_text(text, encoding="utf-8")
    assert text == page.PAGE.read_text(encoding="utf-8"), "run it with --update-golden and look at it"


# Rules whose value SecOps set: by the guide's own value they fail.
VALUES = frozenset(
    {
        "accounts_minimum_age_login_defs",
        "accounts_passwords_pam_faillock_deny",
        "configure_crypto_policy",
        "sshd_set_keepalive",
    }
)


def test_profiles_are_those_of_the_exceptions() -> None:
    assert set(verdict.reasons().failing) == set(harden.PROFILES)
