"""What role, exceptions and FIPS rely on in the release of the guide that docs/hardening.md recommends."""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.images.places import CHECKOUT, IMAGES
from tests.unit.images.test_rules_diff import selects, stream
from tools.content import pinned, role_tasks, rules_diff, tailoring

RELEASE = pinned.read(pinned.DATA.read_text("utf-8"))
FACTS = pinned.facts(RELEASE)
OURS = tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8"))
TASKS = role_tasks.read(role_tasks.DATA.read_text("utf-8"))

# Exceptions of older releases alone: here no profile that leaves the rule out selects it. They do no harm.
OF_OLDER = {
    "configure_bashrc_exec_tmux",
    "enable_dracut_fips_module",
    "enable_fips_mode",
    "grub2_uefi_admin_username",
    "grub2_uefi_password",
    "mount_option_home_grpquota",
    "mount_option_home_usrquota",
    "mount_option_var_noexec",
    "package_MFEhiplsm_installed",
    "set_firewalld_default_zone",
    "sudo_require_authentication",
}
# Done by the guide in every profile since: the role does them once more, until this release is the pinned one.
DONE_BY_THE_GUIDE = {
    "Enable the features in the existing profile",
    "Require good passwords if there is ever one",
    "Require them of root too",
    "Make the database",
    "Put the database in its place",
    "Watch the audit tools themselves",
    "Enforce SELinux",
    "Set kernel parameters",
    "kernel.yama.ptrace_scope",
    "net.ipv4.conf.default.accept_source_route",
    "net.ipv4.conf.default.log_martians",
    "net.ipv4.conf.default.rp_filter",
}
HIGH = {
    "cis_server_l1": {"grub2_password"},
    "cis": {"grub2_password"},
    "stig": {"grub2_password", "grub2_admin_username", "encrypt_partitions", "sysctl_crypto_fips_enabled"},
}


def test_the_page_recommends_the_release_of_the_facts_and_each_digest_is_the_same() -> None:
    page = (CHECKOUT / "docs" / "hardening.md").read_text("utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    recommended = json.loads(block)
    assert (recommended["version"], recommended["url"]) == (RELEASE.version, RELEASE.url)
    assert recommended["sha256"] == RELEASE.archive["sha256"]
    for digest in (RELEASE.archive["sha512"], RELEASE.content["sha256"]):
        assert digest in page
    assert RELEASE.version in RELEASE.url


def test_the_shipped_settings_pin_this_release_or_none() -> None:
    settings = json.loads((IMAGES / "platform" / "scap" / "settings.json").read_text("utf-8"))
    entries = json.loads((IMAGES / "catalog.json").read_text("utf-8"))["entries"]
    pinned = {each["sha256"] for each in entries if each["id"] == "scap-security-guide"}
    assert pinned <= {RELEASE.archive["sha256"]}
    assert settings["sha256"] in (None, RELEASE.content["sha256"])


def test_there_is_a_fact_for_each_rule_and_value_that_we_name() -> None:
    named = {rule for each in OURS for rule, _ in each.rules} | {
        rule for each in TASKS for rule in each.rules
    }
    named |= {*role_tasks.settings().values()}
    assert named - RELEASE.severities.keys() == set()
    assert {value for each in OURS for value, _, _ in each.values} == FACTS.values


def test_each_exception_is_about_a_rule_that_is_selected_or_is_known_to_be_of_older_releases() -> None:
    stale = {line.partition(":")[0] for line in rules_diff.stale(FACTS, OURS)}
    assert stale == OF_OLDER


def test_what_is_said_to_be_there_since_a_release_is_there() -> None:
    number = tailoring.release(RELEASE.version)
    for each in OURS:
        for rule, since in each.since.items():
            assert since <= number
            assert rule in RELEASE.profiles[each.profile].rules, (each.profile, rule)


def test_what_is_left_out_of_severity_high_is_known_by_name() -> None:
    left_out = {
        each.profile: {
            rule
            for rule, _ in each.rules
            if RELEASE.severities[rule] == "high" and rule in RELEASE.profiles[each.profile].rules
        }
        for each in OURS
    }
    assert left_out == HIGH


def test_what_the_guide_does_in_every_profile_beside_the_role_is_known_by_name() -> None:
    assert {
        line.partition(":")[0] for line in role_tasks.left_to_do(TASKS, FACTS, pinned.PROFILES)
    } == DONE_BY_THE_GUIDE


def test_the_crypto_policy_is_set_as_the_tailoring_for_fips_takes_it_to_be() -> None:
    """images/platform/fips/tailoring.py: CIS has a rule with a policy of its own, stig asks for FIPS with STIG."""
    cis, stig = RELEASE.profiles["cis"], RELEASE.profiles["stig"]
    assert "configure_custom_crypto_policy_cis" in cis.rules
    assert "configure_custom_crypto_policy_cis" not in stig.rules
    assert stig.choices["var_system_crypto_policy"] == "fips_stig"
    assert "fips_custom_stig_sub_policy" in stig.rules
    assert "var_system_crypto_policy" not in cis.choices


@pytest.mark.parametrize(
    "profile", [each.profile for each in OURS if each.profile != "stig"], ids=lambda profile: profile
)
def test_the_number_of_failed_logins_is_the_guides_own_now(profile: str) -> None:
    (ours,) = [each for each in OURS if each.profile == profile]
    given = {value: text for value, text, _ in ours.values}
    number = "var_accounts_passwords_pam_faillock_deny"
    assert given[number] == RELEASE.profiles[profile].choices[number]


def _made(folder: Path, *, severity: str = "high", cis: tuple[str, ...] = ("a",), choice: str = "x") -> Path:
    """A small archive of a release with the rules `a` and `b`."""
    refined = f'<refine-value idref="xccdf_org.ssgproject.content_value_v" selector="{choice}"/>'
    content = stream(
        folder / "ds.xml",
        version="0.1.9",
        rules={"a": severity, "b": "low"},
        profiles={"cis": selects(*cis) + refined, "stig": "", "cis_server_l1": ""},
        values=("v",),
    )
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w") as into:
        # A fixed time, so that the archive has one digest.
        into.writestr(zipfile.ZipInfo("guide-0.1.9/ssg-rhel9-ds.xml"), content.read_bytes())
        into.writestr(zipfile.ZipInfo("guide-0.1.9/ssg-rhel8-ds.xml"), b"another")
    return path


def _facts(folder: Path, archive: Path) -> Path:
    path = folder / "facts.json"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    document = {
        "archive": {"version": "0.1.9", "url": "https://example.com/0.1.9.zip", "sha256": digest},
        "content": {},
        "rules": {"a": "high cis", "b": "low", "gone": "low"},
        "values": {"v": {"cis": "x"}},
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_an_archive_that_is_as_the_facts_say_has_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = _made(tmp_path)
    assert pinned.main([str(archive)], _facts(tmp_path, archive)) == 0
    assert capsys.readouterr().out == ""


DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "severity": ({"severity": "medium"}, "a: the severity is medium, not high"),
    "not selected": ({"cis": ()}, "cis: a is not selected"),
    "selected": ({"cis": ("a", "b")}, "cis: b is selected"),
    "choice": ({"choice": "y"}, "cis: v is y, not x"),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_each_difference_is_a_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, said = DIFFERENCES[case]
    facts = _facts(tmp_path, _made(tmp_path))
    assert pinned.main([str(_made(tmp_path, **given))], facts) == 1
    lines = capsys.readouterr().out.splitlines()
    assert said in lines
    assert lines[0].startswith("the archive: the sha256 is ")
    assert len(lines) == 2


def test_what_is_no_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pinned.main([]) == 2
    assert pinned.main([str(tmp_path / "gone.zip")]) == 2
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as into:
        into.writestr("x", "y")
    assert pinned.main([str(tmp_path / "other.zip")], _facts(tmp_path, tmp_path / "other.zip")) == 2
    assert "0 files ssg-rhel9-ds.xml" in capsys.readouterr().err


def test_facts_of_an_unknown_profile_are_refused() -> None:
    text = json.dumps(
        {"archive": {"version": "1", "url": "u"}, "content": {}, "rules": {"a": "low ospp"}, "values": {}}
    )
    with pytest.raises(ValueError, match="ospp"):
        pinned.read(text)
