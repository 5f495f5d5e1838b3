"""Finds words that are hard to read for non-native speakers. Texts use a plain word instead.

It reads docstrings, comments, messages and documents, never names: `told` may be a variable. It cannot judge style.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from typing import Final

from tools.house_rules.source import File, Finding

# Each pattern of a hard word, with the plain word that replaces it.
INSTEAD: Final = (
    (re.compile(r"\bmend(s|ed|ing|er)?\b", re.IGNORECASE), "repair"),
    (re.compile(r"\bwhoever\b", re.IGNORECASE), "the thing or the person by its name"),
    (re.compile(r"\btold\b", re.IGNORECASE), "report, name or list"),
    (re.compile(r"(?<!there )\b(is|are|was|were) no (?!longer|more)", re.IGNORECASE), "is not a"),
    (re.compile(r"\b(has|have) to be\b", re.IGNORECASE), "must be"),
)
# An ADR and the log of changes keep the words of their day.
_HISTORY: Final = ("docs/adr/", "CHANGELOG.md")
_LANGUAGES: Final = frozenset({".md", ".sh", ".tf", ".yaml", ".yml"})
_EXEMPT: Final = frozenset({"tools/house_rules/words.py", "tests/unit/tools/test_house_rules.py"})


def plain_words(files: Sequence[File]) -> Iterator[Finding]:
    """No text of the product or of its documents has one of these words. Tests are not checked."""
    for file in files:
        if str(file.path) in _EXEMPT or str(file.path).startswith(_HISTORY) or file.path.parts[0] == "tests":
            continue
        for line, text in _texts(file):
            for pattern, instead in INSTEAD:
                if found := pattern.search(text):
                    yield Finding(
                        place=f"{file.path}:{line}",
                        cause=f"{found.group().strip()!r} is hard to read for many",
                        remedy=f"write {instead}",
                    )


def _texts(file: File) -> Iterator[tuple[int, str]]:
    """Lines of prose with their numbers: every line of a document, and the comments and strings of a module."""
    if file.is_python:
        yield from _prose(file.text)
    elif file.path.suffix in _LANGUAGES or file.path.name == "Makefile":
        yield from enumerate(file.text.splitlines(), 1)


def _prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        # A text of one word is a name that a program sends, not prose.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for offset, line in enumerate(node.value.splitlines()):
                yield node.lineno + offset, line
