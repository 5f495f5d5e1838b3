"""Documents name only files, links, anchors and targets that exist: a renamed one is found here."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    [
        *(CHECKOUT / "docs").glob("*.md"),
        *(CHECKOUT / "docs" / "runbooks").glob("*.md"),
        CHECKOUT / "README.md",
        CHECKOUT / "CONTRIBUTING.md",
        *(CHECKOUT / folder / "README.md" for folder in ("local", "infra", "images")),
    ]
)
# A path in backticks: it has one of these endings, or begins with a folder of the checkout.
_PATH = re.compile(r"`((?:[A-Za-z0-9_.-]+/)+[A-Za-z0-9_.-]*)`")
_ENDINGS = (".py", ".sh", ".md", ".tf", ".toml", ".json", ".yaml", ".yml", ".svg")
_FOLDERS = frozenset(path.name for path in CHECKOUT.iterdir() if path.is_dir())
# `provenance/DIGEST.json` is a blob of any digest, `BUILD/STAGE-ATTEMPT/log.txt` one of any build.
_PLACEHOLDER = re.compile(r"(?:^|/)[A-Z]{3,}[/.](?!md)")
# A file that the builder makes for the guest, the tests that each role of `images/` has, a version of image.yaml.
_ELSEWHERE = frozenset({"steps/03-shell.sh", "tests/goss.yaml", "imagefactory/v1"})
# A path may leave out the folder that its document is about, and `images/`, which is the top of the platform bundle.
_ABOUT = {"infra": ("infra",), "images": ("images/platform",), "local": ("local",)}
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
_TARGET = re.compile(r"(?:`|\$ |&& |^)make ([a-z-]+)", re.MULTILINE)


def shown(path: Path) -> str:
    """The document as its reader knows it."""
    return str(path.relative_to(CHECKOUT))


def anchors(document: Path) -> Iterator[str]:
    """The anchors that GitHub makes of a document's headings."""
    for heading in re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def missing_paths(document: Path, text: str) -> list[str]:
    """The paths in backticks that lead to no file of the checkout."""
    about = _ABOUT.get(document.relative_to(CHECKOUT).parts[0], ())
    found = [
        path
        for path in _PATH.findall(text)
        if path not in _ELSEWHERE
        and not _PLACEHOLDER.search(path)
        and (path.endswith(_ENDINGS) or path.split("/")[0] in _FOLDERS)
    ]
    return [
        path for path in found if not any((CHECKOUT / top / path).exists() for top in ("", "images", *about))
    ]


def broken_links(document: Path, text: str) -> list[str]:
    """The relative links that lead to no file or folder, or to no heading of the document."""
    broken = []
    for path, anchor in _LINK.findall(text):
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    return broken


def unknown_targets(text: str) -> list[str]:
    """The targets of make that the Makefile does not have."""
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE))
    return [target for target in _TARGET.findall(text) if target not in targets]


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_path_link_and_target_of_a_document_exists(document: Path) -> None:
    text = document.read_text("utf-8")

    assert missing_paths(document, text) == []
    assert broken_links(document, text) == []
    assert unknown_targets(text) == []


def test_a_path_a_link_an_anchor_and_a_target_that_do_not_exist_are_found() -> None:
    document = CHECKOUT / "docs" / "builder.md"
    text = "`builder/gone.py`, `local/gone/`, [a](gone.md), [b](api.md#gone), [c](#gone), `make gone`"

    assert missing_paths(document, text) == ["builder/gone.py", "local/gone/"]
    assert broken_links(document, text) == ["gone.md", "api.md#gone", "#gone"]
    assert unknown_targets(text) == ["gone"]
