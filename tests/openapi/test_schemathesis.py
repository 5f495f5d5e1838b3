"""schemathesis asks every operation, with the token of each role, what the OpenAPI document promises. Seeded, bounded.

The app is the real one over the real services of a small fleet (`served`). A run needs .cache/schemathesis, which
`tools/schemathesis.txt` locks; `make test-openapi` runs it, and `.ci/run` installs the tool before.

Held: no answer of 5xx; no status, type, header or body that the document does not name. What is not held here, and why:

- A request of the right form may still be refused: it names no image, no version of an ETag, or a document with errors.
  `tests/unit/triggers/test_openapi_forms.py` holds the forms, text by text.
- PUT /api/bundles is not asked: its body is an archive, and `tests/unit/guard` has hostile ones.
- Patterns with categories of characters (reasons) are narrowed to ASCII for the run: the tool cannot make such texts.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.arm import launch
from tests import optional_tools
from tests.openapi import served
from triggers.api.app import create_app

FOLDER = launch.CHECKOUT / ".cache" / "schemathesis"
SEED, EXAMPLES, SECONDS = 20261130, 4, 60
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_ASCII = {False: "^[ -~]*$", True: "^[ -~]*[!-~][ -~]*$"}

pytestmark = [pytest.mark.openapi, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def tool() -> Path:
    """The folder of the tool that tools/schemathesis.txt names."""
    if not (FOLDER / "schemathesis").is_dir():
        where = FOLDER.relative_to(launch.CHECKOUT)
        optional_tools.missing(
            "schemathesis",
            f"{where} is missing; to install it: tools/install_lock.sh .venv/bin/python tools/schemathesis.txt "
            f"-- --upgrade --target {where}",
        )
    return FOLDER


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as the tool can read it."""
    app = create_app(lambda: pytest.fail("the document needs no service"))
    made = narrowed(copy.deepcopy(app.openapi()))
    del made["paths"]["/api/bundles/{sha256}"]["put"]
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served.serving(served.fleet()) as found:
        yield found


def narrowed(schema: Any) -> Any:
    """The same with ASCII for each category of characters."""
    if isinstance(schema, list):
        return [narrowed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: narrowed(value) for key, value in schema.items()}
    if r"\p{" in str(made.get("pattern", "")):
        made["pattern"] = _ASCII[r"\p{Zs}" in made["pattern"]]
    return made


@pytest.mark.parametrize("role", served.TOKENS)
def test_the_api_keeps_what_its_document_promises(
    role: str, tool: Path, document: Path, address: str
) -> None:
    program = "from schemathesis.cli import schemathesis; schemathesis()"
    words = [sys.executable, "-S", "-c", program, "run", str(document), "--url", address, "--no-color"]
    words += [
        "--seed",
        str(SEED),
        "--max-examples",
        str(EXAMPLES),
        "--max-time",
        str(SECONDS),
        "--workers",
        "1",
    ]
    words += ["--phases", "coverage,fuzzing", "--checks", ",".join(CHECKS), "--continue-on-failure"]
    words += ["--generation-database", "none", "--warnings", "off"]
    token = served.TOKENS[role]
    words += [] if token is None else ["-H", f"Authorization: Bearer {token}"]
    found = subprocess.run(
        words,
        env={**os.environ, "PYTHONPATH": str(tool)},
        cwd=document.parent,
        capture_output=True,
        text=True,
        timeout=480,
    )
    print(found.stdout[-3000:])
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    asked = sum(len(operations) for operations in json.loads(document.read_bytes())["paths"].values())
    assert f"Tested: {asked}" in found.stdout, "every operation but the upload of bundles is asked"
