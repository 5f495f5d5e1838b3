"""The copy of a template that connects Packer to the emulated machines."""

import json
from pathlib import Path

from local.guest import port

TEMPLATE = {"source": {"azure-arm": {"image": {"vm_size": "x"}}}, "build": [{"sources": []}]}


def test_only_the_port_differs_and_the_template_stays(tmp_path: Path) -> None:
    path = tmp_path / "template.pkr.json"
    path.write_text(json.dumps(TEMPLATE))
    words = port.rewritten(["build", "-color=false", str(path)], 2222)
    assert words[:2] == ["build", "-color=false"]
    assert json.loads(path.read_text()) == TEMPLATE
    copied = json.loads(Path(words[2]).read_text())
    assert copied["source"]["azure-arm"]["image"].pop("ssh_port") == 2222
    assert copied == TEMPLATE


def test_other_commands_are_left_alone(tmp_path: Path) -> None:
    for words in ([], ["version"], ["plugins", "installed"], ["build", "x.hcl"]):
        assert port.rewritten(words, 2222) == words
