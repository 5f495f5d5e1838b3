"""A made root, and hardened ones, once for all tests of this folder. What is missing here is a skip with its reason.

`make content-check` runs the folder; with PROFILES="cis_server_l1 cis stig" it hardens by these profiles. The golden
lists are of the guide's release in Debian 12; another one has other rules, so its scans are skipped.
"""

import hashlib
import os
from collections.abc import Callable
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
def hardened_by(work: Path) -> Callable[[str], HardenedRoot]:
    """Gives the root that was hardened by a profile. Each is made once."""
    made = dict[str, HardenedRoot]()

    def give(profile: str) -> HardenedRoot:
        if profile not in made:
            made[profile] = _hardened(work, profile)
        return made[profile]

    return give


@pytest.fixture(scope="session")
def hardened(hardened_by: Callable[[str], HardenedRoot]) -> HardenedRoot:
    """A root that was hardened by the default profile."""
    return hardened_by(harden.DEFAULT)


@pytest.fixture(scope="session", params=harden.PROFILES)
def by_profile(request: pytest.FixtureRequest, hardened_by: Callable[[str], HardenedRoot]) -> HardenedRoot:
    """A root that was hardened by each profile that is asked for: the default one, if none is."""
    asked = os.environ.get("IMAGE_FACTORY_PROFILES", harden.DEFAULT).split()
    if request.param not in asked:
        pytest.skip(f"{request.param} takes minutes: make content-check PROFILES={request.param}")
    return hardened_by(request.param)


def _hardened(work: Path, profile: str) -> HardenedRoot:
    if not (harden.ANSIBLE / "ansible").is_dir():
        optional_tools.missing(TOOL, "run `make content-check`, which installs the Ansible of RHEL 9")
    for program, package in (("sshd", "openssh-server"), ("visudo", "sudo")):
        if not optional_tools.is_here(program):
            optional_tools.missing(TOOL, f"{program} is missing: install Debian's {package}")
    folder = work / profile
    folder.mkdir()
    return harden.harden(folder, profile)
