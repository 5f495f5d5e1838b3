"""Every playbook is read by the Ansible of RHEL 9 (2.14) and by the newest that ansible-lint brings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import optional_tools
from tools.content.harden import ANSIBLE, IMAGES, ROOT, HardenedRoot

pytestmark = [pytest.mark.timeout(1800), pytest.mark.content]

NEWEST = ROOT / ".cache" / "ansible-lint" / "bin" / "python"
MAIN = "import sys; from ansible.cli.playbook import main; sys.exit(main())"
OURS = ("platform/roots/10-hardening.yml", "platform/stage-catalog.yml", "rhel9-vault/playbook.yml")


@pytest.mark.parametrize("newest", [False, True], ids=["of RHEL 9", "newest"])
def test_each_playbook_has_a_syntax_that_ansible_reads(
    hardened: HardenedRoot, tmp_path: Path, *, newest: bool
) -> None:
    if newest and not NEWEST.is_file():
        optional_tools.missing(
            "content", "run tools/ansible_lint.sh --install, which brings the newest Ansible"
        )
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_COLLECTIONS_PATH": str(ANSIBLE),
        "ANSIBLE_ROLES_PATH": str(IMAGES / "roles"),
        "LC_ALL": "C.UTF-8",
        **({} if newest else {"PYTHONPATH": str(ANSIBLE)}),
    }
    python = str(NEWEST) if newest else sys.executable
    for playbook in (hardened.playbook, *(IMAGES / each for each in OURS)):
        command = [python, "-c", MAIN, "--syntax-check", "--inventory", "localhost,", str(playbook)]
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, f"{playbook}: {done.stderr.decode()[-2000:]}"
