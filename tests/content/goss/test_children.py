"""Each child passes its goss test after its own steps ran, and each deliberate mistake is found, by the real goss.

The root is made after Red Hat's image, and the packages' programs are stand-ins (`children`). So this shows what the
steps and the tests do, not that Red Hat's Java runs.
"""

import subprocess
from pathlib import Path

import pytest

from tests.content.goss import breaks, children, runs
from tests.content.goss.breaks import Break
from tests.content.goss.conftest import Nursery
from tests.unit.images.places import IMAGES, NAMES

pytestmark = [pytest.mark.timeout(1800), pytest.mark.content]


def test_every_child_is_tried_and_has_a_mistake() -> None:
    assert set(children.CHILDREN) == set(NAMES) - {"rhel9-base"}
    assert {each.child for each in breaks.BREAKS} == set(children.CHILDREN)


@pytest.mark.parametrize("name", children.CHILDREN)
def test_a_child_passes_after_its_own_steps(nursery: Nursery, name: str) -> None:
    image = nursery.image(name)
    run = runs.validate(image.root, image.folder / "goss.yaml")
    assert run.failed == frozenset()
    assert run.count >= 5


@pytest.mark.parametrize("mistake", breaks.BREAKS, ids=lambda each: f"{each.child}: {each.what}")
def test_a_deliberate_mistake_is_found_and_nothing_else(
    nursery: Nursery, tmp_path: Path, mistake: Break
) -> None:
    image = nursery.image(mistake.child)
    root = children.change(image, mistake.line, tmp_path)
    try:
        assert runs.validate(root, image.folder / "goss.yaml").failed == mistake.finds
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True, timeout=120)


def test_a_changed_archive_of_vault_is_not_installed(nursery: Nursery, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    children.copy_root(nursery.start, parent)
    children.stage_vault(parent)
    (archive,) = (parent / "opt" / "stage" / "Tools" / "vault").rglob("*.zip")
    with archive.open("ab") as stream:
        stream.write(b"changed")
    with pytest.raises(children.StepFailed, match="the archive was changed after it was staged"):
        children.bake("rhel9-vault", parent, tmp_path / "vault", stages=False)


def test_vaults_archive_leaves_neither_a_file_nor_a_line(nursery: Nursery) -> None:
    staged = nursery.image("rhel9-vault").root / "opt" / "stage" / "Tools"
    assert [path.name for path in staged.iterdir()] == ["SHA256SUMS"]
    assert (staged / "SHA256SUMS").read_text("utf-8") == ""
    run = runs.validate(nursery.image("rhel9-vault").root, IMAGES / "roles/agent_stage/tests/goss.yaml")
    assert run.failed == frozenset()


@pytest.mark.parametrize(("child", "limit"), [("rhel9-vault", 2.5), ("payments-api", 3.5)])
def test_a_service_is_exposed_little(child: str, limit: float) -> None:
    (unit,) = (IMAGES / child / "files").glob("*.service")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    last = done.stdout.strip().splitlines()[-1]
    assert float(last.partition("service: ")[2].split()[0]) <= limit
