"""A made root, and a hardened one, once for all tests of this folder. What is missing here is a skip with its reason.

`make content-check` runs the folder. The golden lists are of the guide's release in Debian 12; another one has other
rules, so its scans are skipped.
"""

import hashlib
from pathlib import Path

import pytest

from tests import optional_tools
from tools.content import guest, harden, made_root, scan
from tools.content.harden import HardenedRoot

# Of ssg-nondebian 0.1.65-1.
DIGEST = "6abe617c31cff4e4792ab90db26903852275830dfcef94b96aac450931b99a83"
TOOL = "content"


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for roots, where they can be made and scanned."""
    for program, package in (
        ("oscap", "openscap-scanner"),
        ("rpmbuild", "rpm"),
        ("ssh-keygen", "openssh-client"),
    ):
        if not optional_tools.is_here(program):
            optional_tools.missing(TOOL, f"{program} is missing: install Debian's {package}")
    if not scan.CONTENT.is_file():
        optional_tools.missing(TOOL, f"{scan.CONTENT} is missing: install Debian's ssg-nondebian")
    if hashlib.sha256(scan.CONTENT.read_bytes()).hexdigest() != DIGEST:
        optional_tools.missing(
            TOOL, "the guide here is not release 0.1.65 of Debian 12, which the lists are of"
        )
    why = guest.obstacle()
    if why:
        optional_tools.missing(TOOL, why)
    return tmp_path_factory.mktemp("content")


@pytest.fixture(scope="session")
def made(work: Path) -> Path:
    """A root as Red Hat's Azure image has it, not hardened."""
    root = work / "made"
    root.mkdir()
    made_root.make(root)
    return root


@pytest.fixture(scope="session")
def hardened(work: Path) -> HardenedRoot:
    """A root that was hardened by the default profile."""
    return hardened_by(work, "cis_server_l1")


def hardened_by(work: Path, profile: str) -> HardenedRoot:
    """A root that was hardened by `profile`, or a skip."""
    if not (harden.ANSIBLE / "ansible").is_dir():
        optional_tools.missing(TOOL, "run `make content-check`, which installs the Ansible of RHEL 9")
    for program, package in (("sshd", "openssh-server"), ("visudo", "sudo")):
        if not optional_tools.is_here(program):
            optional_tools.missing(TOOL, f"{program} is missing: install Debian's {package}")
    folder = work / profile
    folder.mkdir()
    return harden.harden(folder, profile)
