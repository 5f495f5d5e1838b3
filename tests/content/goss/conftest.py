"""The children of `images/`, each baked once for all tests of this folder, from the root of its parent."""

from pathlib import Path

import pytest

from tests import optional_tools
from tests.content.goss import children, runs
from tests.content.goss.children import BakedImage
from tools.content import guest
from tools.content.harden import ANSIBLE


class Nursery:
    """Bakes an image when it is first asked for, after its parent."""

    def __init__(self, work: Path, made: Path) -> None:
        self._work = work
        self.start = work / "start"
        self._baked: dict[str, BakedImage] = {}
        children.prepare(made, self.start)

    def image(self, name: str) -> BakedImage:
        """The image after its own steps."""
        if name not in self._baked:
            above = children.PARENTS.get(name)
            parent = self.image(above).root if above else self.start
            self._baked[name] = children.bake(name, parent, self._work / name)
        return self._baked[name]


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Nursery:
    """Needs goss, the Ansible of RHEL 9, and Debian's unzip, which Ansible unpacks Vault by."""
    runs.program()
    if not (ANSIBLE / "ansible").is_dir():
        optional_tools.missing("content", "run `make content-check`, which installs the Ansible of RHEL 9")
    for tool, package in (("unzip", "unzip"), ("systemd-analyze", "systemd")):
        if not optional_tools.is_here(tool):
            optional_tools.missing("content", f"{tool} is missing: install Debian's {package}")
    why = guest.obstacle()
    if why:
        optional_tools.missing("content", why)
    return Nursery(tmp_path_factory.mktemp("children"), made)
