"""SecOps' exceptions from the guide: each has a reason, and the tailoring files are made from them."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pipeline_core.domain.compliance import short_id
from tools.content import tailoring

XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"


def document(**changes: Any) -> str:
    content: dict[str, Any] = {
        "owner": "secops",
        "profiles": {"cis": {"title": "CIS & more"}, "stig": {"title": "STIG"}},
        "values": [
            {"value": "var_a", "set": "<5>", "profiles": ["cis"], "reason": "as the benchmark -- says"}
        ],
        "rules": [{"rule": "rule_a", "reason": "a reason that is long enough"}],
    }
    return json.dumps({**content, **changes})


@pytest.mark.parametrize("path", sorted(tailoring.FOLDER.glob("tailoring-*.xml")), ids=lambda path: path.name)
def test_each_tailoring_file_is_made_from_the_exceptions(path: Path) -> None:
    assert tailoring.files()[path] == path.read_text("utf-8"), "run python -m tools.content.tailoring --write"


def test_each_profile_has_a_tailoring_file() -> None:
    assert set(tailoring.files()) == set(tailoring.FOLDER.glob("tailoring-*.xml"))


def test_a_tailored_profile_has_the_short_id_of_the_guides() -> None:
    for exceptions in tailoring.read(document()):
        (profile,) = ElementTree.fromstring(tailoring.render(exceptions)).iter(f"{XCCDF}Profile")
        assert short_id(str(profile.get("id"))) == short_id(str(profile.get("extends"))) == exceptions.profile


def test_rules_are_left_out_and_values_set_where_they_say() -> None:
    cis, stig = tailoring.read(document())
    found = ElementTree.fromstring(tailoring.render(cis))
    assert [each.get("idref") for each in found.iter(f"{XCCDF}select")] == [f"{tailoring.GUIDE}_rule_rule_a"]
    assert [(each.get("idref"), each.text) for each in found.iter(f"{XCCDF}set-value")] == [
        (f"{tailoring.GUIDE}_value_var_a", "<5>")
    ]
    assert stig.values == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rules": [{"rule": "rule_a", "reason": "because"}]}, "rule_a: the reason is missing or too short"),
        ({"rules": [{"rule": "rule_a"}]}, "rule_a: the reason is missing"),
        ({"rules": [{"rule": "a b", "reason": "a reason that is long"}]}, "'a b' is not an id"),
        ({"rules": [{"rule": "a", "reason": "a reason that is long"}] * 2}, "a: it is there twice"),
        (
            {"rules": [{"rule": "a", "reason": "a reason that is long", "profiles": ["cys"]}]},
            "a: there is no profile cys",
        ),
        (
            {"rules": [{"rule": "a", "reason": "a reason that is long", "since": "82"}]},
            "a: since is not a release, like 0.1.80",
        ),
    ],
)
def test_an_exception_without_a_reason_or_with_a_wrong_word_is_refused(changes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        tailoring.read(document(**changes))


def test_a_rule_that_only_newer_releases_have_says_from_which_on() -> None:
    rules = [
        {"rule": "rule_a", "reason": "a reason that is long enough", "since": "0.1.80"},
        {"rule": "rule_b", "reason": "a reason that is long enough"},
    ]
    for exceptions in tailoring.read(document(rules=rules)):
        assert exceptions.since == {"rule_a": (0, 1, 80)}
        assert [rule for rule, _ in exceptions.rules] == ["rule_a", "rule_b"]


@pytest.mark.parametrize("profile", ["cis", "cis_server_l1"])
def test_rules_that_no_image_of_ours_can_pass_are_left_out(profile: str) -> None:
    (ours,) = (
        each for each in tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8")) if each.profile == profile
    )
    # The role locks root's password and enables rsyslog beside the journal; a list of users is of one deployment.
    assert {
        "ensure_root_password_configured",
        "ensure_journald_and_rsyslog_not_active_together",
        "sshd_limit_user_access",
    } <= set(ours.since)


def test_no_exception_of_severity_high_is_hidden() -> None:
    """Those of the default profile that the guide calls high, by name: a new one is a decision."""
    left_out = {
        rule for each in tailoring.read(tailoring.EXCEPTIONS.read_text("utf-8")) for rule, _ in each.rules
    }
    high = {"grub2_password", "grub2_uefi_password", "no_empty_passwords", "sshd_disable_empty_passwords"}
    assert left_out & high == {"grub2_password", "grub2_uefi_password"}
