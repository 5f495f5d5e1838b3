"""A fact that crosses modules is written once: its text occurs in one module of the product and in no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import scenario
from pipeline_core.domain import attempts

ROOT = Path(__file__).parents[2]
PRODUCT = ("pipeline_core", "triggers", "dashboard", "builder", "imagefactory", "local", "simulation")
HOME = "pipeline_core/domain/attempts.py"
# Plays Azure and Packer, and imports nothing of the factory: held to the constants by a test below.
STRANGER = "local/scenario.py"
BLOBS = {
    attempts.LAUNCHED,
    attempts.WAITS,
    attempts.STARTED,
    attempts.NEVER_BEGAN,
    attempts.LOG,
    attempts.REPORT,
}
TAGS = {text for name, text in vars(attempts).items() if name.endswith("_TAG")}


def texts(path: Path) -> Iterator[str]:
    """Every text constant of a module, the parts of f-strings too; docstrings are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value.replace("\\", "")  # a regular expression writes a dot as \.


@pytest.fixture(scope="module")
def product() -> dict[str, str]:
    """All texts of each module that may hold a fact; read once, because parsing takes seconds."""
    found = {}
    for path in (path for package in PRODUCT for path in (ROOT / package).rglob("*.py")):
        source = path.read_text(encoding="utf-8").replace("\\", "")
        if "node_modules" not in path.parts and any(fact in source for fact in TAGS | BLOBS):
            found[str(path.relative_to(ROOT))] = "\n".join(texts(path))
    return found


def modules_with(fact: str, product: dict[str, str]) -> set[str]:
    """The modules that write the fact's text, not as a part of a longer word."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(fact)}(?![\w-])")
    return {module for module, text in product.items() if pattern.search(text)}


def test_every_tag_and_every_blob_is_looked_for() -> None:
    assert len(TAGS) == 12
    assert len(BLOBS) == 6


@pytest.mark.parametrize("blob", sorted(BLOBS))
def test_the_name_of_an_attempts_blob_is_written_once(blob: str, product: dict[str, str]) -> None:
    assert modules_with(blob, product) == {HOME}


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_a_tag_is_written_once(tag: str, product: dict[str, str]) -> None:
    assert modules_with(tag, product) - {STRANGER} == {HOME}


def test_the_recorded_packer_reads_the_tags_that_the_factory_writes() -> None:
    read = (scenario.IMAGE_TAG, scenario.STAGE_TAG, scenario.ATTEMPT_TAG)
    assert read == (attempts.IMAGE_TAG, attempts.STAGE_TAG, attempts.ATTEMPT_TAG)


def test_the_canonical_form_of_json_is_written_once() -> None:
    pattern = re.compile(r"\(\",\", \":\"\)")
    found = {
        str(path.relative_to(ROOT))
        for package in ("pipeline_core", "builder", "imagefactory")
        for path in (ROOT / package).rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"pipeline_core/domain/canonical.py"}


def test_a_second_copy_is_found_in_a_constant_and_in_an_f_string(tmp_path: Path) -> None:
    copy = tmp_path / "copy.py"
    copy.write_text('"""result.json in a docstring counts for nothing."""\nTAG = "imagefactory-build"\n')
    assert list(texts(copy)) == ["imagefactory-build"]
    copy.write_text('def name(folder: str) -> str:\n    return f"{folder}/result.json"\n')
    assert list(texts(copy)) == ["/result.json"]
