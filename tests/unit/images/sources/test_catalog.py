"""Tools of the catalog come from the mirror alone, by their digests, and are staged under their own names."""

import json
from typing import Any

import pytest

from pipeline_core.guard import catalog as guard
from tests.unit.images.places import IMAGES
from tests.unit.images.sources.machine import SourcesMachine

pytestmark = pytest.mark.process

MIRROR = "https://files.example.com/tools"
SHIPPED: dict[str, Any] = json.loads((IMAGES / "catalog.json").read_text("utf-8"))


def asked(machine: SourcesMachine, given: Any) -> Any:
    """What the script makes of a catalog or of its entries."""
    source = machine.write("given.json", json.dumps(given))
    machine.does("sources/sources.sh", "catalog", str(source), str(machine.root / "asked.json"))
    return json.loads(machine.read("asked.json"))


def test_without_a_mirror_the_vendors_are_asked(machine: SourcesMachine) -> None:
    assert asked(machine, SHIPPED) == SHIPPED


def test_with_a_mirror_no_vendor_is_asked_nor_allowed(machine: SourcesMachine) -> None:
    machine.settings(build={"catalogMirror": MIRROR})
    made = asked(machine, SHIPPED)
    assert made["hosts"] == ["files.example.com"]
    for each, shipped in zip(made["entries"], SHIPPED["entries"], strict=True):
        file = shipped["url"].rsplit("/", 1)[1]
        assert each == {**shipped, "url": f"{MIRROR}/{shipped['sha256']}/{file}"}
    assert guard.check_catalog(made) == ()
    assert asked(machine, SHIPPED["entries"]) == made["entries"]


PLAYBOOK = """#!/bin/bash
for word; do
  for part in $word; do
    case $part in agent_stage_*_file=*) cat "${part#*=}" >>"$STAND_IN_ROOT/played" ;; esac
  done
done
exit "$(<"$STAND_IN_ROOT/code")"
"""


def staged(machine: SourcesMachine, code: int) -> tuple[int, str, str]:
    """How staging ended, what it said, and which lists the role got."""
    (machine.platform / "catalog.json").write_text(json.dumps(SHIPPED), "utf-8")
    entries = machine.write("entries.json", json.dumps(SHIPPED["entries"][1:2]))
    machine.write("code", str(code))
    machine.write("stand-ins/ansible-playbook", PLAYBOOK).chmod(0o755)
    (machine.root / "tools").mkdir()
    variables = {"IMAGEFACTORY_CATALOG": str(entries), "IMAGEFACTORY_STAGE": str(machine.root / "tools")}
    done = machine.run("before/20-stage-catalog.sh", variables=variables)
    return done.returncode, done.stderr, machine.read("played")


def test_the_role_gets_the_mirrors_addresses_alone(machine: SourcesMachine) -> None:
    machine.settings(build={"catalogMirror": MIRROR})
    code, said, played = staged(machine, 0)
    assert (code, said) == (0, "")
    assert MIRROR in played
    assert "github.com" not in played


def test_a_tool_that_the_mirror_does_not_have_fails_in_one_line(machine: SourcesMachine) -> None:
    machine.settings(build={"catalogMirror": MIRROR})
    assert staged(machine, 2)[:2] == (
        1,
        f"stage: {MIRROR} must have each tool as SHA256/FILE; the tool that failed is named above\n",
    )


def test_without_a_mirror_the_role_alone_says_why_it_failed(machine: SourcesMachine) -> None:
    assert staged(machine, 2)[:2] == (1, "")
