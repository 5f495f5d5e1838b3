"""Refused texts: the message says in plain words what was given, what it is not, and what to give."""

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pipeline_core.domain import names
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion, next_version

ROOT = Path(__file__).parents[3]
PRODUCT = ("pipeline_core", "triggers", "imagefactory", "builder")
NAMES = [
    each
    for each in vars(names).values()
    if isinstance(each, type) and each.__module__ == names.__name__ and not each.__name__.startswith("_")
]


@pytest.mark.parametrize(
    "make",
    [*NAMES, ReceiverId, MarketplaceVersion.parse, GalleryVersion.parse],
    ids=lambda make: make.__name__,
)
def test_a_refused_text_is_named_with_what_it_is_not_and_what_to_give(make: type) -> None:
    with pytest.raises(InvalidValue) as refused:
        make("?!")
    text = str(refused.value)
    assert text.startswith("'?!' is not a")
    assert ": give " in text
    assert not any(each.__name__ in text for each in (*NAMES, ReceiverId, MarketplaceVersion, GalleryVersion))


def _kinds(path: Path) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InvalidValue":
            yield f"{path.name}:{node.lineno}", node.args[0]


def test_every_refusal_names_its_kind_in_words() -> None:
    files = [path for part in PRODUCT for path in (ROOT / part).rglob("*.py")]
    found = [each for path in files for each in _kinds(path)]
    assert len(found) > 15
    fixed = [(place, kind.value) for place, kind in found if isinstance(kind, ast.Constant)]
    assert [each for each in fixed if not str(each[1]).startswith(("a ", "an "))] == []


def test_a_version_that_goes_back_says_what_it_must_follow() -> None:
    last = GalleryVersion(9, 20261121, 1)
    with pytest.raises(InvalidValue) as refused:
        next_version(8, date(2026, 11, 22), last)
    assert str(refused.value) == (
        "'8.20261122.1' is not a version that may follow 9.20261121.1: give a major of at least 9"
    )
