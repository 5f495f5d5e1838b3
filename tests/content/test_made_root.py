"""The made root answers the scanner as Red Hat's image would, before anything is hardened."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import optional_tools
from tools.content import guest, harden, made_root, scan, system, tailoring, verdict

pytestmark = [pytest.mark.timeout(300), pytest.mark.content]


def test_scores_and_failing_rules_of_an_image_that_nobody_hardened(
    made: Path, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    told, known = {}, verdict.reasons()
    document = (harden.ROOT / "docs" / "hardening.md").read_text("utf-8").splitlines()
    for profile in harden.PROFILES:
        adjusted = tailoring.FOLDER / f"tailoring-{profile}.xml"
        tailored = scan.scan(made, profile, tailoring=adjusted, results=tmp_path / f"{profile}.xml")
        raw = scan.scan(made, profile, tailoring=None, results=tmp_path / f"{profile}-raw.xml")
        assert verdict.table("not hardened", tailored, known) in document
        assert verdict.table("not hardened, without SecOps' exceptions", raw, known) in document
        told[profile] = {
            "score": round(tailored.score, 1),
            "raw score": round(raw.score, 1),
            "results": dict(sorted(tailored.counts.items())),
            "failing": sorted(tailored.failing()),
        }
    golden("content/not-hardened.json", json.dumps(told, indent=1) + "\n")


def test_the_guide_takes_the_root_for_a_red_hat_9_without_a_change_of_its_content(
    made: Path, tmp_path: Path
) -> None:
    found = scan.scan(made, "cis_server_l1", tailoring=None, results=tmp_path / "results.xml")
    assert found.counts["pass"] > 100
    (made / "var" / "lib" / "rpm" / "rpmdb.sqlite").rename(tmp_path / "kept")
    try:
        without = scan.scan(made, "cis_server_l1", tailoring=None, results=tmp_path / "without.xml")
    finally:
        (tmp_path / "kept").rename(made / "var" / "lib" / "rpm" / "rpmdb.sqlite")
    assert set(without.counts) == {"notapplicable"}


def test_mount_options_are_those_of_the_table_of_mounts(made: Path, tmp_path: Path) -> None:
    rule = "mount_option_tmp_nodev"
    before = scan.scan(made, "cis_server_l1", tailoring=None, results=tmp_path / "before.xml")
    fstab = made / "etc" / "fstab"
    kept = fstab.read_text()
    fstab.write_text(kept.replace("/tmp xfs defaults", "/tmp xfs defaults,nodev"))
    made_root.boot(made)
    after = scan.scan(made, "cis_server_l1", tailoring=None, results=tmp_path / "after.xml")
    fstab.write_text(kept)
    made_root.boot(made)
    assert before.results[rule][0] == "fail"
    assert after.results[rule][0] == "pass"


def test_the_mounts_are_the_volumes_of_the_image(made: Path) -> None:
    mounts = [line.split()[1] for line in (made / "proc" / "mounts").read_text().splitlines()]
    assert mounts == [*(point for point, _, _ in system.VOLUMES), "/dev/shm"]


def test_each_rule_that_a_root_cannot_answer_has_a_reason(made: Path, tmp_path: Path) -> None:
    unknown = set[str]()
    for profile in harden.PROFILES:
        found = scan.scan(made, profile, tailoring=None, results=tmp_path / f"{profile}.xml")
        unknown |= {rule for rule, (result, _) in found.results.items() if result in ("unknown", "error")}
    assert unknown <= set(verdict.reasons().unanswered)


# What the guide's playbook asks of a machine, in the tasks where it once stopped.
_ASKS = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.service_facts:
    - ansible.builtin.assert:
        that:
          - ansible_facts.services['sshd.service'].state == 'running'
          - ansible_facts.services['sshd.service'].status == 'enabled'
          - ansible_facts.services['rescue.service'].state == 'stopped'
          - ansible_facts.services['rescue.service'].status == 'disabled'
          - "'telnet.service' not in ansible_facts.services"
    - ansible.builtin.shell: set -o pipefail; true
    - ansible.builtin.command: systemctl is-active telnet
      register: telnet
      failed_when: telnet.rc == 0
"""


def test_a_playbook_is_told_of_services_and_has_the_shell_of_red_hat(made: Path, tmp_path: Path) -> None:
    if not (harden.ANSIBLE / "ansible").is_dir():
        optional_tools.missing("content", "run `make content-check`, which installs the Ansible of RHEL 9")
    playbook = tmp_path / "asks.yml"
    playbook.write_text(_ASKS, encoding="utf-8")
    done = guest.play(made, playbook, site=harden.ANSIBLE)
    assert done.code == 0, done.output
