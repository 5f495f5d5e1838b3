"""The real goss reads every goss file that is shipped, and keeps each key of it: it drops one that it does not know."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.content.goss import runs
from tests.content.goss.runs import IMAGES
from tools import build_goss, go_modules

pytestmark = [pytest.mark.timeout(300), pytest.mark.content]

FILES = sorted(
    [
        *IMAGES.glob("*/goss.yaml"),
        *IMAGES.glob("examples/*/goss.yaml"),
        *IMAGES.glob("roles/*/tests/goss.yaml"),
        *IMAGES.glob("platform/verify/*.yaml"),
    ]
)


class Refused(Exception):
    """goss does not read the file. The text says why."""


def _rendered(file: Path) -> Any:
    command = [str(runs.program()), "--gossfile", str(file), "render"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return yaml.safe_load(done.stdout)


def _keys(content: Any) -> Iterator[tuple[str, ...]]:
    """Kind, name and attribute of each test. `exec`, `timeout` and the like are attributes too."""
    for kind, resources in content.items():
        for name, attributes in resources.items():
            for attribute in attributes:
                yield kind, name, attribute


def _unread(file: Path) -> set[tuple[str, ...]]:
    """What the file has and goss has not: a key that it does not know, or a kind."""
    return set(_keys(yaml.safe_load(file.read_text("utf-8")))) - set(_keys(_rendered(file)))


def _is_found(file: Path) -> bool:
    """Whether goss refuses the file, or drops a part of it."""
    try:
        return _unread(file) != set()
    except Refused:
        return True


def test_all_goss_files_are_tried() -> None:
    named = {path for path in IMAGES.rglob("*.yaml") if "goss" in path.name or path.name == "invariants.yaml"}
    assert named <= set(FILES)
    assert len(FILES) >= 11


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(IMAGES)))
def test_goss_reads_the_file_and_keeps_each_key(file: Path) -> None:
    assert _unread(file) == set()


@pytest.mark.parametrize(
    "text",
    [
        'file:\n  /etc/x: {exists: true, modes: "0644"}\n',
        "services:\n  sshd: {enabled: true}\n",
        "command:\n  /bin/true: {exit-state: 0}\n",
    ],
    ids=["attribute", "kind", "attribute of a command"],
)
def test_a_word_that_goss_does_not_know_is_found(tmp_path: Path, text: str) -> None:
    file = tmp_path / "goss.yaml"
    file.write_text(text, encoding="utf-8")
    assert _is_found(file)


def test_a_file_without_a_mistake_has_nothing_to_find(tmp_path: Path) -> None:
    file = tmp_path / "goss.yaml"
    file.write_text('file:\n  /etc/x: {exists: true, mode: "0644"}\n', encoding="utf-8")
    assert not _is_found(file)


def test_goss_is_the_release_that_the_catalog_pins() -> None:
    entries = json.loads((IMAGES / "catalog.json").read_text("utf-8"))["entries"]
    (pinned,) = [each["version"] for each in entries if each["id"] == "goss"]
    assert go_modules.version_of(build_goss.MODULE) == pinned


def test_a_goss_that_is_named_comes_first(tmp_path: Path) -> None:
    assert build_goss.find({**os.environ, "GOSS": str(tmp_path / "mine")}) == tmp_path / "mine"
