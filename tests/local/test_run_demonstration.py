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


def test_the_catalog_of_a_run_has_the_shipped_tools_and_one_that_says_it_is_a_demonstration(
    made: Path,
) -> None:
    own, shipped = (json.loads((each / "catalog.json").read_text("utf-8")) for each in (made, IMAGES))
    names = {(entry["id"], entry["version"]) for entry in shipped["entries"]}
    agent = (demonstration.AGENT["id"], demonstration.AGENT["version"])
    assert {(entry["id"], entry["version"]) for entry in own["entries"]} == {*names, agent}
    assert own["hosts"] == [demonstration.HOST]
    assert "demonstration" in agent[0]


def test_each_tool_of_a_run_has_a_file_that_was_made_here(made: Path) -> None:
    entries = json.loads((made / "catalog.json").read_text("utf-8"))["entries"]
    files = {path.name: path.read_bytes() for path in (made / demonstration.FILES).iterdir()}
    assert files.keys() == {entry["url"].rpartition("/")[2] for entry in entries}
    for entry in entries:
        content = files[entry["url"].rpartition("/")[2]]
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert content.startswith(b"imagefactory demonstration artifact: ")


def test_the_shipped_images_and_catalog_hold_nothing_of_the_demonstration() -> None:
    texts = [IMAGES / "catalog.json", *IMAGES.glob("*/image.yaml")]
    assert [each.name for each in texts if "demonstration" in each.read_text("utf-8")] == []


def test_the_base_of_a_run_names_the_tool_and_is_otherwise_the_shipped_one(made: Path) -> None:
    own, shipped = (
        yaml.safe_load((each / demonstration.BASE / "image.yaml").read_text("utf-8"))
        for each in (made, IMAGES)
    )
    assert own["spec"]["build"].pop("catalog") == [demonstration.AGENT["id"]]
    assert own == shipped


def test_the_images_of_a_run_are_accepted_and_its_platform_steps_too(made: Path) -> None:
    assert folders.load_platform(made).catalog == json.loads((made / "catalog.json").read_text("utf-8"))
    names = sorted(each.parent.name for each in IMAGES.glob("*/image.yaml"))
    assert [str(folders.load_image(made / name).definition.name) for name in names] == names


def test_the_page_says_what_the_files_are() -> None:
    page = (IMAGES / "README.md").read_text("utf-8")
    assert demonstration.content_of(demonstration.AGENT).decode().strip() in page
    assert demonstration.HOST in page
