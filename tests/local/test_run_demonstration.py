"""A run registers a copy of `images/` with a catalog that says it is a demonstration; the shipped one does not."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from imagefactory import folders
from local.run import demonstration

IMAGES = Path(__file__).resolve().parents[2] / "images"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("run") / demonstration.FOLDER
    demonstration.prepare(IMAGES, target)
    return demonstration.prepare(IMAGES, target)  # a second time, as after a restart


def test_the_catalog_of_a_run_is_the_shipped_one_and_a_tool_that_says_it_is_a_demonstration(
    made: Path,
) -> None:
    own, shipped = (json.loads((each / "catalog.json").read_text("utf-8")) for each in (made, IMAGES))
    assert [entry for entry in own["entries"] if entry not in shipped["entries"]] == [demonstration.TOOL]
    assert {*own["hosts"]} == {*shipped["hosts"], demonstration.HOST}
    assert all("demonstration" in demonstration.TOOL[key] for key in ("id", "url"))


def test_the_shipped_images_and_catalog_hold_nothing_of_the_demonstration() -> None:
    texts = [IMAGES / "catalog.json", *IMAGES.glob("*/image.yaml")]
    assert [each.name for each in texts if "demonstration" in each.read_text("utf-8")] == []


def test_the_base_of_a_run_names_the_tool_and_is_otherwise_the_shipped_one(made: Path) -> None:
    own, shipped = (
        yaml.safe_load((each / demonstration.BASE / "image.yaml").read_text("utf-8"))
        for each in (made, IMAGES)
    )
    assert own["spec"]["build"].pop("catalog") == [demonstration.TOOL["id"]]
    assert own == shipped


def test_the_images_of_a_run_are_accepted_and_its_platform_steps_too(made: Path) -> None:
    assert folders.load_platform(made).catalog == json.loads((made / "catalog.json").read_text("utf-8"))
    names = sorted(each.parent.name for each in IMAGES.glob("*/image.yaml"))
    assert [str(folders.load_image(made / name).definition.name) for name in names] == names


def test_the_digest_of_the_tool_is_that_of_the_documented_text() -> None:
    text = f"imagefactory demonstration artifact: {demonstration.TOOL['id']} {demonstration.TOOL['version']}"
    assert text in (IMAGES / "README.md").read_text("utf-8")
    assert demonstration.TOOL["sha256"] == hashlib.sha256(f"{text}\n".encode()).hexdigest()
