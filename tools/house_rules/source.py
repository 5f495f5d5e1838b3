"""The input and the output of a rule. Rules do not read the disk: `tracked` reads for all of them."""

import ast
import functools
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

PRODUCT: Final = frozenset(
    {"pipeline_core", "triggers", "builder", "imagefactory", "dashboard", "local", "simulation"}
)
_TEXTS: Final = frozenset({".py", ".md", ".sh", ".yaml", ".yml", ".json", ".toml", ".tf", ".txt", ".in"})


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One text file of the repository. `path` is relative to the repository's top."""

    path: PurePosixPath
    text: str

    @property
    def is_python(self) -> bool:
        """True if the file is a Python module."""
        return self.path.suffix == ".py"

    @property
    def is_product(self) -> bool:
        """True for a module of the product: not a test, not a tool, and not a program that runs in a guest."""
        return self.is_python and self.path.parts[0] in PRODUCT


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule: place, cause and remedy."""

    place: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.cause}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """One public class at the top of a module."""

    name: str
    path: PurePosixPath
    line: int
    bases: tuple[str, ...]  # the last part of each name: `errors.PermanentError` gives PermanentError

    @property
    def place(self) -> str:
        """The class's place, in the form that an editor opens."""
        return f"{self.path}:{self.line}"


@functools.cache
def tree_of(text: str) -> ast.Module:
    """The parsed module. It is cached, because several rules need it."""
    return ast.parse(text)


def public_classes(file: File) -> Iterator[Class]:
    """The public classes at the top of one module."""
    for node in tree_of(file.text).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = tuple(ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases)
            yield Class(name=node.name, path=file.path, line=node.lineno, bases=bases)


def tracked() -> Sequence[File]:
    """Every text file that git tracks, or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the PATH
        check=True,
        capture_output=True,
        text=True,
    )
    return [
        File(path=PurePosixPath(name), text=Path(name).read_text(encoding="utf-8", errors="replace"))
        for name in listed.stdout.splitlines()
        if (Path(name).suffix in _TEXTS or name == "Makefile") and Path(name).is_file()
    ]
