"""`python -m simulation`: says what it did in its last line, and a broken invariant makes it fail."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline_core.adapters.memory.ports import MemoryPorts, twins
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import NewContainerGroup, Row, TableWrite
from pipeline_core.state import images as records
from simulation import __main__ as program
from simulation import world
from simulation.world import World

FACTS = {"first_seed", "seeds", "deliveries", "faults", "publishes", "violations", "seconds"}


def _run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, list[str]]:
    monkeypatch.setattr("sys.argv", ["simulation", *words])
    status = program.main()
    return status, capsys.readouterr().out.splitlines()


def test_seeds_with_light_faults_violate_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = _run(monkeypatch, capsys, "--seeds", "3", "--faults", "light")
    facts = json.loads(lines[-1])
    assert status == 0
    assert set(facts) >= FACTS
    assert (facts["first_seed"], facts["seeds"], facts["violations"]) == (1, 3, 0)
    assert facts["deliveries"] > 1000
    assert facts["faults"] > 100
    assert facts["publishes"] >= 3 * 20 * 2


def test_without_faults_none_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = _run(monkeypatch, capsys, "--seeds", "1", "--images", "6", "--faults", "none", "--json")
    facts = json.loads(lines[-1])
    assert (status, facts["faults"], facts["violations"]) == (0, 0, 0)


class _NoClaims(MemoryTables):
    """Tables that forget claims: every look at a stale image is the first."""

    def find(self, table: str, partition: str, key: str) -> Row | None:
        return None if key.startswith("claim:") else super().find(table, partition, key)

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        kept = [write for write in writes if not write.row.key.startswith("claim:")]
        etags = iter(super().write(table, kept) if kept else ())
        return ["" if write.row.key.startswith("claim:") else next(etags) for write in writes]


def test_a_factory_without_claims_is_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    def without_claims(*given: Any, **named: Any) -> MemoryPorts:
        return dataclasses.replace(twins(*given, **named), tables=_NoClaims())

    monkeypatch.setattr(world, "twins", without_claims)
    status, lines = _run(monkeypatch, capsys, "--seeds", "6", "--images", "8", "--faults", "light")
    assert status == 1
    assert json.loads(lines[-1])["violations"] > 0
    assert any(line.startswith("seed ") for line in lines)
    assert any(
        " --seeds 1 --images 8 --slots" in line and "replay: python -m simulation" in line for line in lines
    )


def _rested() -> World:
    made = world.make()
    made.register("rhel9-base", None)
    made.settle()
    assert program.violations(made) == []
    return made


def test_an_image_that_is_not_current_at_rest_is_a_violation() -> None:
    made = _rested()
    made.publish_release("9.8.2026062323")
    made.factory.poller.poll()
    assert any(line.startswith("rhel9-base is stale") for line in program.violations(made))


def test_a_container_group_that_is_left_is_a_violation() -> None:
    made = _rested()
    made.ports.containers.create_group(NewContainerGroup(name="left", environment={}, tags={}))
    assert "the container group left is left" in program.violations(made)


def test_a_poisoned_message_is_a_violation() -> None:
    made = _rested()
    made.poisoned.append(("build-steps", "garbage"))
    assert program.violations(made) == ["a message of build-steps was poisoned: garbage"]


def test_an_input_that_was_published_twice_is_a_violation() -> None:
    made = _rested()
    image = ImageName("rhel9-base")
    (build,) = made.factory.queries.images_store.list_builds(image, limit=10)
    twin = dataclasses.replace(build, id=type(build.id)(f"{str(build.id)[:-1]}2"), generation=2)
    made.factory.queries.images_store.commit([records.put_build(twin, etag=None)])
    assert any("was published 2 times" in line for line in program.violations(made))
