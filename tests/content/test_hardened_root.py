"""What the platform's steps reach on a made root, by the real oscap and the real Ansible of RHEL 9.

The lists of `tools/content/reasons.json` hold: a rule that fails without a reason is an error, and so is a reason that
is not needed any more.
"""

import json

import pytest

from tools.content import harden, page, verdict
from tools.content.guest import GuestRun
from tools.content.harden import HardenedRoot

pytestmark = [pytest.mark.timeout(1800), pytest.mark.content]


DOCUMENT = harden.ROOT / "docs" / "hardening.md"


def _failures(run: GuestRun) -> list[str]:
    return [line for line in run.output.splitlines() if line.startswith(("fatal:", "failed:"))]


def test_the_playbook_of_the_guide_runs_to_its_end(by_profile: HardenedRoot) -> None:
    assert by_profile.generated.code == 0, _failures(by_profile.generated)


def test_the_role_runs_to_its_end_and_changes_nothing_the_second_time(by_profile: HardenedRoot) -> None:
    assert by_profile.first.code == 0, _failures(by_profile.first)
    assert by_profile.second.code == 0, _failures(by_profile.second)
    changed = [line for line in by_profile.second.output.splitlines() if line.startswith("changed:")]
    assert changed == []
    assert "changed=0" in by_profile.second.output


def test_all_rules_pass_but_those_with_a_reason(by_profile: HardenedRoot) -> None:
    assert list(verdict.findings(by_profile.after, verdict.reasons())) == []


def test_the_role_undoes_nothing_of_the_guide(by_profile: HardenedRoot) -> None:
    assert by_profile.after.failing() - by_profile.between.failing() == set()


def test_the_share_is_reached_and_the_document_has_the_figures(by_profile: HardenedRoot) -> None:
    known = verdict.reasons()
    unanswered = frozenset(known.unanswered)
    assert by_profile.before.share(unanswered) < 70
    assert by_profile.after.share(unanswered) >= verdict.SHARE
    print()
    for row in verdict.rows(by_profile, known):
        print(row)
        assert row in DOCUMENT.read_text("utf-8").splitlines()
    print(f"the guide's playbook took {by_profile.seconds:.0f} s")


def test_few_rules_of_the_default_profile_are_excepted_or_fail(hardened: HardenedRoot) -> None:
    left_out = set(hardened.raw_after.results) - set(hardened.after.results)
    assert len(left_out) + len(verdict.reasons().failing[hardened.after.profile]) <= verdict.OTHERS


def test_the_raw_scan_fails_nothing_but_what_secops_left_out(by_profile: HardenedRoot) -> None:
    known = verdict.reasons()
    left_out = set(by_profile.raw_after.results) - set(by_profile.after.results)
    told = left_out | set(known.failing[by_profile.after.profile]) | set(known.unanswered) | VALUES
    assert by_profile.raw_after.failing() - told == set()


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


def test_profiles_are_those_of_the_exceptions_and_the_first_is_that_of_the_settings() -> None:
    assert set(verdict.reasons().failing) == set(harden.PROFILES)
    settings = harden.IMAGES / "platform" / "scap" / "settings.json"
    assert json.loads(settings.read_text("utf-8"))["harden"] == harden.DEFAULT
