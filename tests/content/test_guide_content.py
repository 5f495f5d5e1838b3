"""What SecOps' exceptions and our role say about the guide, held against the guide's own content. Takes seconds."""

from pathlib import Path

import pytest

from tools.content import benchmark, harden, role_tasks, rules_diff, scan, tailoring
from tools.content.benchmark import Benchmark

pytestmark = [pytest.mark.timeout(300), pytest.mark.content]


@pytest.fixture(scope="module")
def guide(work: Path) -> Benchmark:
    """The release that is here. The folder is the sign that it is the right one."""
    assert work.is_dir()
    return benchmark.read(scan.CONTENT)


def test_no_exception_names_what_the_guide_does_not_have(guide: Benchmark) -> None:
    ours = tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8"))
    assert list(rules_diff.stale(guide, ours)) == []


def test_what_is_said_to_be_of_a_newer_release_is_not_selected_in_this_one(guide: Benchmark) -> None:
    for each in tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8")):
        newer = {rule for rule, since in each.since.items() if since > tailoring.release(guide.version)}
        assert newer
        assert newer & guide.profiles[each.profile].rules == set()


def test_the_role_leaves_to_the_guide_what_each_profile_selects(guide: Benchmark) -> None:
    tasks = role_tasks.read(role_tasks.DATA.read_text("utf-8"))
    assert list(role_tasks.left_to_do(tasks, guide, harden.PROFILES)) == []


def test_the_rules_that_the_tasks_name_are_rules_of_the_guide(guide: Benchmark) -> None:
    tasks = role_tasks.read(role_tasks.DATA.read_text("utf-8"))
    assert {rule for each in tasks for rule in each.rules} - guide.severities.keys() == set()


# Left out of a profile although the guide calls them high, by name: a new one is a decision.
_BOOT = {"grub2_password", "grub2_uefi_password"}
_FIPS = {"enable_fips_mode", "enable_dracut_fips_module", "sysctl_crypto_fips_enabled"}
_HIGH = {
    "cis_server_l1": _BOOT,
    "cis": _BOOT,
    "stig": _BOOT | _FIPS | {"grub2_admin_username", "encrypt_partitions"},
}


def test_what_is_left_out_of_severity_high_is_known_by_name(guide: Benchmark) -> None:
    left_out = {
        each.profile: {
            rule
            for rule, _ in each.rules
            if guide.severities.get(rule) == "high" and rule in guide.profiles[each.profile].rules
        }
        for each in tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8"))
    }
    assert left_out == _HIGH
