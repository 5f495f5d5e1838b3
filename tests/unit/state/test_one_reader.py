"""Nobody decodes a row but the reader: by its own error handling, a store could stop at a row that cannot be read."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
STATE = ROOT / "pipeline_core" / "state"
TYPES = {"Codec", "PlainCodec"}
# The reader itself, the codec that merges what it replaces, and the look whether a row can be read again.
MAY = {"reading/reader.py", "records.py", "reading/places.py"}


def _codecs(tree: ast.Module) -> set[str]:
    """The names in a module that are codecs: made there, or taken from a store in capitals."""
    made = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in TYPES
    }
    taken = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline_core.state")
        for alias in node.names
        if alias.name.isupper()
    }
    return made | taken


def _decoders(path: Path) -> Iterator[str]:
    """The places where a module decodes a row by itself."""
    tree = ast.parse(path.read_text("utf-8"))
    codecs = _codecs(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "read":
            owner = node.value
            if isinstance(owner, ast.Name) and owner.id in codecs:
                yield f"{path.name}:{node.lineno}"
            if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id in TYPES:
                yield f"{path.name}:{node.lineno}"


def test_every_store_reads_its_rows_through_the_reader() -> None:
    files = [path for path in STATE.rglob("*.py") if str(path.relative_to(STATE)) not in MAY]
    assert len(files) > 10
    assert [place for path in files for place in _decoders(path)] == []


def test_codecs_stay_in_the_state() -> None:
    product = [path for path in (ROOT / "pipeline_core").rglob("*.py") if STATE not in path.parents]
    users = [str(path) for path in product if "Codec" in path.read_text("utf-8")]
    assert users == []


def test_the_look_finds_a_store_that_decodes_by_itself(tmp_path: Path) -> None:
    made = tmp_path / "store.py"
    for kind in sorted(TYPES):
        made.write_text(f"A = {kind}(int)\nvalue = A.read(row)\nvalues = map(A.read, rows)\n")
        assert list(_decoders(made)) == ["store.py:2", "store.py:3"]
