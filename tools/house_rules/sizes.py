"""Rules on size: lines of a module, lines of a function, modules of a folder."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tools.house_rules.source import File, Finding, tree_of

MODULE_LIMIT: Final = 400  # lines
FUNCTION_LIMIT: Final = 60  # lines, with its docstring, without the functions inside it
FOLDER_LIMIT: Final = 16  # modules, without those with names that Python gives: nobody must search for them
# The domain is flat on purpose. Its names are the field's, and a contract of import-linter checks its layers.
FLAT: Final = frozenset({"pipeline_core/domain"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_length(files: Sequence[File]) -> Iterator[Finding]:
    """No module is too long, tests included."""
    for file in files:
        length = len(file.text.splitlines())
        if file.is_python and length > MODULE_LIMIT:
            yield Finding(
                place=str(file.path),
                cause=f"{length} lines, {MODULE_LIMIT} are allowed",
                remedy="find its second idea and give it a module",
            )


def function_length(files: Sequence[File]) -> Iterator[Finding]:
    """No function is too long, tests included. A router's endpoints are functions of their own."""
    for file in files:
        if not file.is_python:
            continue
        for node in ast.walk(tree_of(file.text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = _lines(node) - sum(_lines(inner) for inner in _inside(node))
                if length > FUNCTION_LIMIT:
                    yield Finding(
                        place=f"{file.path}:{node.lineno}",
                        cause=f"{node.name} has {length} lines, {FUNCTION_LIMIT} are allowed",
                        remedy="name its steps and make them functions",
                    )


def _inside(node: ast.AST) -> Iterator[_Function]:
    """The functions directly inside a function, not those inside them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        else:
            yield from _inside(child)


def _lines(node: _Function) -> int:
    assert node.end_lineno is not None  # noqa: S101 - the parser gives it to each node of a file
    return node.end_lineno - node.lineno + 1


def flat_folders(files: Sequence[File]) -> Iterator[Finding]:
    """No folder of the product has so many modules that one is hard to find."""
    counts = Counter(
        str(file.path.parent) for file in files if file.is_product and not file.path.name.startswith("__")
    )
    for folder, count in sorted(counts.items()):
        if count > FOLDER_LIMIT and folder not in FLAT:
            yield Finding(
                place=folder,
                cause=f"{count} modules, {FOLDER_LIMIT} are allowed",
                remedy="make packages, with a contract of import-linter for their order",
            )
