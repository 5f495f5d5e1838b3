"""FIPS mode: turned on where a base asks for it, proved after the restart, and scanned without its exceptions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline_core.domain.compliance import short_id
from tests.unit.images import fips_machine
from tests.unit.images.places import IMAGES
from tests.unit.images.stand_ins import StandIn
from tests.unit.images.test_verify import BAD, GOOD, Guest, goss_report

pytestmark = pytest.mark.process

XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"
TAILORINGS = sorted((IMAGES / "platform" / "scap").glob("tailoring-*.xml"))
ON, OFF = "FIPS mode is enabled.", "FIPS mode is disabled."
ASKED = {"IMAGEFACTORY_FIPS": "1"}


@pytest.fixture
def machine(tmp_path: Path) -> StandIn:
    """A machine without FIPS mode, whose tools turn it on."""
    made = StandIn(tmp_path)
    fips_machine.make(tmp_path / "system")
    made.environment["IMAGEFACTORY_SYSTEM"] = str(tmp_path / "system")
    kernel(made, "0")
    made.environment["IMAGEFACTORY_BASE"] = str(tmp_path / "etc" / "base.json")
    made.tool("dnf")
    made.says("fips-mode-setup", "FIPS mode will be enabled.")
    # More than a pipe holds: whoever stops reading at the line that fits ends the tool.
    made.tool(
        "grubby", "echo 'args=\"ro root=/dev/mapper/rootvg-rootlv fips=1 boot=UUID=1\"'; exec seq 200000"
    )
    made.says("update-crypto-policies", "FIPS")
    return made


def kernel(machine: StandIn, enabled: str) -> None:
    """What the kernel says."""
    path = machine.folder / "system" / "proc" / "sys" / "crypto" / "fips_enabled"
    path.write_text(f"{enabled}\n", "utf-8")
    machine.environment["IMAGEFACTORY_FIPS_ENABLED"] = str(path)


def set_policy(machine: StandIn, policy: str) -> None:
    """What the machine's files say, and its tool."""
    fips_machine.set_policy(machine.folder / "system", policy)
    machine.says("update-crypto-policies", policy)


def test_nothing_is_done_where_nobody_asks(machine: StandIn) -> None:
    assert machine.run("before/11-fips.sh").returncode == 0
    assert machine.run("before/14-fips.sh").returncode == 0
    assert machine.calls == []


def test_a_base_that_asks_gets_fips_mode_and_a_restart(machine: StandIn) -> None:
    done = machine.run("before/11-fips.sh", **ASKED)
    assert done.returncode == 0, done.stderr
    assert machine.called("fips-mode-setup") == ["--enable"]
    assert (machine.staged / "restart-wanted").read_text(
        "utf-8"
    ) == "FIPS mode holds from the next start on\n"


def test_a_machine_in_fips_mode_is_left_alone(machine: StandIn) -> None:
    kernel(machine, "1")
    assert machine.run("before/11-fips.sh", **ASKED).returncode == 0
    assert machine.called("fips-mode-setup") == []
    assert not (machine.staged / "restart-wanted").exists()


CHILD = {"IMAGEFACTORY_FIPS": "inherited"}


def test_a_child_keeps_fips_mode_and_never_switches_it_on(machine: StandIn) -> None:
    kernel(machine, "1")
    assert machine.run("before/11-fips.sh", **CHILD).returncode == 0
    kernel(machine, "0")
    done = machine.run("before/11-fips.sh", **CHILD)
    assert done.returncode == 1
    assert "an image above has switched it off" in done.stderr
    assert machine.calls == []


@pytest.mark.parametrize("note", ["{}", '{"base": "rhel9-base", "fips": false}', None])
@pytest.mark.parametrize("is_on", [True, False])
def test_a_child_that_takes_the_bases_note_away_is_asked_all_the_same(
    machine: StandIn, note: str | None, is_on: bool
) -> None:
    noted = Path(machine.environment["IMAGEFACTORY_BASE"])
    noted.parent.mkdir(parents=True, exist_ok=True)
    noted.unlink(missing_ok=True)
    if note is not None:
        noted.write_text(note, "utf-8")
    kernel(machine, "1" if is_on else "0")
    machine.says("fips-mode-setup", ON if is_on else OFF)
    set_policy(machine, "FIPS" if is_on else "DEFAULT")
    assert machine.run("fips/wanted.sh", **CHILD).returncode == 0  # the verify stage asks this
    assert (machine.run("before/14-fips.sh", **CHILD).returncode == 0) is is_on


@pytest.mark.parametrize("missing", ["the kernel's argument", "the policy"])
def test_what_the_tool_has_not_done_fails_the_build(machine: StandIn, missing: str) -> None:
    if missing == "the policy":
        machine.says("update-crypto-policies", "DEFAULT")
    else:
        machine.says("grubby", 'args="ro nofips=1 xfips=10"')
    assert machine.run("before/11-fips.sh", **ASKED).returncode != 0


CHECKS = {
    "on": ("1", ON, "FIPS", True),
    "on, with a sub-policy": ("1", ON, "FIPS:OSPP", True),
    # DISA allows them where a need is written down: a test of the booted machine refuses them, and can be waived.
    "on, with a sub-policy for Active Directory": ("1", ON, "FIPS:AD-SUPPORT", True),
    "on, with a sub-policy for old clients": ("1", ON, "FIPS:NO-ENFORCE-EMS", True),
    "off": ("0", OFF, "DEFAULT", False),
    "the kernel is off": ("0", ON, "FIPS", False),
    "the tool says off": ("1", OFF, "FIPS", False),
    "the tool says that it does not fit": ("1", f"{ON}\nInconsistent state detected.", "FIPS", False),
    "another policy": ("1", ON, "DEFAULT:NO-SHA1", False),
}


@pytest.mark.parametrize("case", CHECKS)
@pytest.mark.parametrize("by", ["the definition", "the base"])
def test_the_machine_is_asked_after_its_restart(machine: StandIn, case: str, by: str) -> None:
    enabled, said, policy, passes = CHECKS[case]
    kernel(machine, enabled)
    machine.says("fips-mode-setup", said)
    set_policy(machine, policy)
    if by == "the base":
        note = Path(machine.environment["IMAGEFACTORY_BASE"])
        note.parent.mkdir()
        note.write_text('{"base": "rhel9-base", "fips": true, "profile": ""}\n', "utf-8")
    done = machine.run("before/14-fips.sh", **(ASKED if by == "the definition" else {}))
    assert (done.returncode == 0) is passes, done.stderr


@pytest.mark.parametrize("case", CHECKS)
def test_a_base_is_asked_again_after_its_hardening(machine: StandIn, case: str) -> None:
    enabled, said, policy, passes = CHECKS[case]
    kernel(machine, enabled)
    machine.says("fips-mode-setup", said)
    set_policy(machine, policy)
    done = machine.run("roots/30-base.sh", **ASKED)
    assert (done.returncode == 0) is passes, done.stderr
    assert Path(machine.environment["IMAGEFACTORY_BASE"]).exists() is passes


def test_a_base_without_fips_is_not_asked_for_it(machine: StandIn) -> None:
    assert machine.run("roots/30-base.sh").returncode == 0
    assert machine.calls == []


@pytest.mark.parametrize("is_fips", [True, False])
def test_a_base_notes_how_it_was_hardened_for_its_descendants(machine: StandIn, is_fips: bool) -> None:
    asked = ASKED if is_fips else {}
    kernel(machine, "1")
    machine.says("fips-mode-setup", ON)
    assert machine.run("roots/30-base.sh", IMAGEFACTORY_HARDENING="stig", **asked).returncode == 0
    noted = json.loads(Path(machine.environment["IMAGEFACTORY_BASE"]).read_text("utf-8"))
    assert noted == {"base": "rhel9-base", "fips": is_fips, "profile": "stig"}
    assert (machine.run("fips/wanted.sh").returncode == 0) is is_fips


def for_fips(tailoring: Path, into: Path) -> ElementTree.Element:
    """What the program makes of a tailoring."""
    program = [sys.executable, str(IMAGES / "platform" / "fips" / "tailoring.py"), str(tailoring), str(into)]
    subprocess.run(program, check=True, timeout=60)
    return ElementTree.parse(into).getroot()


def policies(root: ElementTree.Element) -> list[str | None]:
    """The values of the crypto policy."""
    return [each.text for each in root.iter(f"{XCCDF}set-value") if "crypto_policy" in each.get("idref", "")]


@pytest.mark.parametrize("tailoring", TAILORINGS, ids=lambda path: path.stem)
def test_the_exceptions_from_fips_do_not_hold_on_a_base_in_fips_mode(tailoring: Path, tmp_path: Path) -> None:
    before, after = ElementTree.parse(tailoring).getroot(), for_fips(tailoring, tmp_path / "tailoring.xml")
    assert {"enable_fips_mode", "enable_dracut_fips_module", "sysctl_crypto_fips_enabled"} == {
        short_id(rule) for rule in _left_out(before) - _left_out(after)
    }
    # A rule of newer releases, whose fix sets a policy that is not FIPS.
    assert {short_id(rule) for rule in _left_out(after) - _left_out(before)} == {
        "configure_custom_crypto_policy_cis"
    }
    assert [each.get("id") for each in after.iter(f"{XCCDF}Profile")] == [
        each.get("id") for each in before.iter(f"{XCCDF}Profile")
    ]


def test_secops_policy_is_fips_and_a_profile_without_one_keeps_the_guides(tmp_path: Path) -> None:
    found = {path.stem: policies(for_fips(path, tmp_path / path.name)) for path in TAILORINGS}
    assert found == {"tailoring-cis": ["FIPS"], "tailoring-cis_server_l1": ["FIPS"], "tailoring-stig": []}


POLICY = "xccdf_org.ssgproject.content_value_var_system_crypto_policy"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (f'<set-value idref="{POLICY}">FIPS:OSPP</set-value>', ["FIPS:OSPP"]),
        (f'<set-value idref="{POLICY}">FUTURE</set-value>', ["FIPS"]),
        (f'<refine-value idref="{POLICY}" selector="default_policy"/>', ["FIPS"]),
        ('<set-value idref="another">DEFAULT</set-value>', []),
    ],
    ids=["FIPS with a sub-policy", "another policy", "another choice", "another value"],
)
def test_a_policy_of_secops_stays_if_it_is_one_of_fips(tmp_path: Path, given: str, wanted: list[str]) -> None:
    path = tmp_path / "given.xml"
    namespace = XCCDF.strip("{}")
    path.write_text(f'<Tailoring xmlns="{namespace}"><Profile id="a">{given}</Profile></Tailoring>', "utf-8")
    made = for_fips(path, tmp_path / "into.xml")
    assert policies(made) == wanted
    assert list(made.iter(f"{XCCDF}refine-value")) == []


def test_a_tailoring_without_a_profile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xml").write_text("<Tailoring/>", "utf-8")
    program = [sys.executable, str(IMAGES / "platform" / "fips" / "tailoring.py"), "t.xml", "into.xml"]
    assert subprocess.run(program, cwd=tmp_path, check=False, timeout=60).returncode == 1


def _left_out(root: ElementTree.Element) -> set[str]:
    return {each.get("idref", "") for each in root.iter(f"{XCCDF}select") if each.get("selected") == "false"}


@pytest.mark.parametrize("is_fips", [True, False])
def test_the_booted_machine_is_asked_and_scanned_without_the_exceptions(
    tmp_path: Path, is_fips: bool
) -> None:
    guest = Guest(tmp_path)
    # goss answers with a failed test: how often says how many files of tests were run.
    guest.goss(goss_report(GOOD, BAD))
    wanted = tmp_path / "platform" / "platform" / "fips" / "wanted.sh"
    wanted.write_text(f"exit {0 if is_fips else 1}\n", "utf-8")
    guest.tool("oscap", _keeping(tmp_path / "used.xml", "--tailoring-file") + f"\n{guest_oscap(guest)}")
    done = guest.verify(profile="cis_server_l1")
    assert done.returncode == 0, done.stderr
    roles = len(list((IMAGES / "roles").iterdir()))
    assert len(guest.named()) == roles + (2 if is_fips else 1)
    used = ElementTree.parse(tmp_path / "used.xml").getroot()
    assert any("sysctl_crypto_fips_enabled" in each for each in _left_out(used)) is not is_fips


def guest_oscap(guest: Guest) -> str:
    """What the guest's oscap does with its other options."""
    return (guest.folder / "bin" / "oscap").read_text("utf-8").removeprefix("#!/bin/bash\n")


GUIDED = {
    "SecOps' profile": ({}, "cis_server_l1", True),
    "the base's profile": ({"IMAGEFACTORY_HARDENING": "stig"}, "stig", True),
    "a profile by its whole id": (
        {"IMAGEFACTORY_HARDENING": "xccdf_org.ssgproject.content_profile_stig"},
        "stig",
        True,
    ),
    "FIPS": ({"IMAGEFACTORY_HARDENING": "stig", **ASKED}, "stig", False),
}


@pytest.mark.parametrize("case", GUIDED)
def test_a_base_is_hardened_by_its_profile_and_in_fips_mode_without_the_exceptions(
    machine: StandIn, case: str
) -> None:
    asked, profile, has_exceptions = GUIDED[case]
    machine.tool("rpm", "exit 1")
    machine.tool("ansible-playbook")
    kept = _keeping(machine.folder / "used.xml", "--tailoring-file")
    machine.tool(
        "oscap", f'{kept}\nwhile (($#)); do [[ $1 == --output ]] && echo made >"$2"; shift; done; exit 0'
    )
    # Red Hat's package is the guide here, whatever the catalog has: test_guide.py has an archive.
    platform = machine.folder / "images"
    shutil.copytree(IMAGES / "platform", platform / "platform")
    catalog = json.loads((IMAGES / "catalog.json").read_text("utf-8"))
    others = [each for each in catalog["entries"] if each["id"] != "scap-security-guide"]
    (platform / "catalog.json").write_text(json.dumps({**catalog, "entries": others}), "utf-8")
    done = machine.run("roots/05-guide.sh", IMAGEFACTORY_PLATFORM=str(platform), **asked)
    assert done.returncode == 0, done.stderr
    assert f"--profile {profile} " in machine.called("oscap")[0]
    used = ElementTree.parse(machine.folder / "used.xml").getroot()
    assert any("sysctl_crypto_fips_enabled" in each for each in _left_out(used)) is has_exceptions


def test_a_profile_of_a_base_without_a_tailoring_fails_the_build(machine: StandIn) -> None:
    done = machine.run("roots/05-guide.sh", IMAGEFACTORY_HARDENING="ospp")
    assert done.returncode == 1
    assert "tailoring-ospp.xml" in done.stderr


def _keeping(path: Path, option: str) -> str:
    """Lines of bash that keep a copy of the file of an option."""
    look = f'[[ ${{words[n]}} != {option} ]] || cp "${{words[n+1]}}" "{path}"'
    return f'words=("$@"); for n in "${{!words[@]}}"; do {look}; done'
