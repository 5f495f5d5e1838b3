"""`python -m tools.census [REVISION]`: prints the size of the code base, so that two states can be compared.

It counts what git tracks, in the working tree or at a revision: lines by kind of file, modules per folder,
lengths of modules and functions, and names that two or more classes have. It judges nothing: limits are house
rules.
"""

import argparse
import ast
import io
import statistics
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

_LOCKS = ("package-lock.json", "go.sum", "go.mod")
_STAGE = ("local", "simulation", "benchmarks")
_PRODUCT = ("pipeline_core", "triggers", "dashboard", "builder", "imagefactory", "images", "infra")
_PRODUCT_FILES = ("function_app.py", "host.json", ".funcignore", "azure.yaml", "local.settings.sample.json")
_KINDS = ("product", "tests", "golden", "stage", "docs", "locks", "tools and settings", "pictures")


def contents(revision: str | None) -> Mapping[PurePosixPath, str]:
    """Every tracked file that is text, by path."""
    if revision is None:
        names = _git("ls-files", "-z").decode().split("\0")
        given = {name: Path(name).read_bytes() for name in names if name and Path(name).is_file()}
    else:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", revision))) as archive:
            given = {
                member.name: opened.read()
                for member in archive.getmembers()
                if (opened := archive.extractfile(member)) is not None
            }
    return {PurePosixPath(name): content.decode() for name, content in given.items() if b"\0" not in content}


def kind_of(path: PurePosixPath) -> str:
    """The kind of a file: the first that matches, in this order."""
    top = path.parts[0]
    if path.name in _LOCKS or (path.name.startswith("requirements") and path.suffix == ".txt"):
        return "locks"
    if path.suffix == ".svg":
        return "pictures"
    if path.parts[:2] == ("tests", "golden"):
        return "golden"
    if top == "tests":
        return "tests"
    if path.suffix == ".md" or path.name == "LICENSE":
        return "docs"
    if top in _STAGE:
        return "stage"
    return "product" if top in _PRODUCT or str(path) in _PRODUCT_FILES else "tools and settings"


def lines_by_kind(files: Mapping[PurePosixPath, str]) -> Counter[str]:
    """Lines of each kind of file."""
    lines: Counter[str] = Counter()
    for path, text in files.items():
        lines[kind_of(path)] += len(text.splitlines())
    return lines


def functions(tree: ast.Module) -> Iterable[tuple[str, int]]:
    """Every function and method with its lines, without decorators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def main(words: Sequence[str] | None = None) -> int:
    """Print the census."""
    parser = argparse.ArgumentParser(prog="python -m tools.census", description=__doc__)
    parser.add_argument("revision", nargs="?", help="a state that git knows (default: the working tree)")
    parser.add_argument("--names", action="store_true", help="list the doubled class names with their places")
    options = parser.parse_args(words)
    files = contents(options.revision)
    modules = {path: text for path, text in files.items() if path.suffix == ".py"}
    trees = {path: ast.parse(text) for path, text in modules.items()}
    _say_lines(lines_by_kind(files))
    _say_folders(modules)
    _say_lengths(modules, trees)
    _say_classes(trees, is_listed=options.names)
    return 0


def _say_lines(lines: Counter[str]) -> None:
    _say(f"lines, {lines.total():,} in all")
    for kind in _KINDS:
        _say(f"  {kind:20} {lines[kind]:>7,}  {lines[kind] / lines.total():6.1%}")


def _say_folders(modules: Mapping[PurePosixPath, str]) -> None:
    folders = Counter(
        path.parent for path in modules if path.name != "__init__.py" and path.parts[0] != "tests"
    )
    _say("modules per folder (tests apart), the fullest first")
    for folder, count in folders.most_common(12):
        _say(f"  {folder!s:40} {count:>4}")
    _say(
        f"  folders with more than 15 modules: {sum(count > 15 for count in folders.values())} of {len(folders)}"
    )


def _say_lengths(modules: Mapping[PurePosixPath, str], trees: Mapping[PurePosixPath, ast.Module]) -> None:
    grouped: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in modules:
        if len(path.parts) > 1:
            grouped[path.parts[0]].append(path)
    _say(
        "lengths in lines       modules: number median p90 longest      functions: number median p90 longest >40"
    )
    for package, paths in sorted(grouped.items()):
        sizes = {path: len(modules[path].splitlines()) for path in paths}
        found = [(length, name, path) for path in paths for name, length in functions(trees[path])]
        longest = max(sizes, key=lambda path: sizes[path])
        _say(
            f"  {package:18} {_spread(list(sizes.values()))}   {_spread([each[0] for each in found])}"
            f" {sum(each[0] > 40 for each in found):>4}"
        )
        top = max(found, default=(0, "none", longest))
        _say(f"    longest: {longest} {sizes[longest]}; {top[2]} {top[1]} {top[0]}")


def _spread(sizes: Sequence[int]) -> str:
    if not sizes:
        return f"{0:>8}"
    ordered = sorted(sizes)
    tenth = ordered[min(len(ordered) - 1, round(0.9 * (len(ordered) - 1)))]
    return f"{len(ordered):>8} {statistics.median(ordered):>7.0f} {tenth:>5} {ordered[-1]:>6}"


def _say_classes(trees: Mapping[PurePosixPath, ast.Module], *, is_listed: bool) -> None:
    places: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and path.parts[0] != "tests":
                places[node.name].append(path)
    doubled = {name: paths for name, paths in places.items() if len(paths) > 1}
    classes = sum(map(len, places.values()))
    _say(
        f"public top-level classes (tests apart): {classes}, of {len(places)} names; {len(doubled)} names doubled"
    )
    for name, paths in sorted(doubled.items()) if is_listed else ():
        _say(f"  {name}: {', '.join(map(str, paths))}")


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], check=True, capture_output=True).stdout  # noqa: S607 - git of the PATH


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
