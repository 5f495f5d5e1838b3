"""A copy lacks the options that azure plugin 1.x does not know, and nothing else differs."""

import json
from pathlib import Path
from typing import Any

import pytest

from local import older_plugin

GOLDEN = Path(__file__).parents[1] / "golden" / "builder"


@pytest.mark.parametrize("name", ["root-build", "child-build", "verify"])
def test_only_what_the_older_plugin_does_not_know_is_left_out(name: str) -> None:
    template = json.loads((GOLDEN / f"{name}.pkr.json").read_text(encoding="utf-8"))
    before = json.dumps(template)

    copied, left_out = older_plugin.older(template)

    assert json.dumps(template) == before
    expected: dict[str, Any] = json.loads(before)
    expected["packer"]["required_plugins"]["azure"]["version"] = ">= 1"
    source = expected["source"]["azure-arm"]["image"]
    has_security_type = source.pop("security_type", None) is not None
    assert copied == expected
    assert ("security_type" in left_out) is has_security_type


def test_other_commands_and_other_files_stay_as_they_are(tmp_path: Path) -> None:
    for words in (
        ["version"],
        [],
        ["plugins", "install", "x.pkr.json"],
        ["build", str(tmp_path / "a.pkr.hcl")],
    ):
        assert older_plugin.rewritten(words) == words
