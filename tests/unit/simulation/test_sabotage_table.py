"""The page about reliability names every rule that is switched off, with the world of the seed that misses it."""

import re
from pathlib import Path

import pytest

from simulation import sabotage

PAGE = (Path(__file__).parents[3] / "docs/reliability.md").read_text(encoding="utf-8")
_SECTION = PAGE.partition("## Without each rule, a promise breaks")[2].partition("\n## ")[0]
_RULE = re.compile(r"`([a-z0-9-]+)`")


def _rows() -> dict[str, tuple[str, str]]:
    """World and seed of each rule. A world that is `the same` is that of the row above."""
    found: dict[str, tuple[str, str]] = {}
    last = ""
    for line in _SECTION.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rule = _RULE.fullmatch(cells[0])
        if rule is not None:
            _, _, world, seed, _ = cells
            last = last if world == "the same" else world
            found[rule[1]] = (last, seed)
    return found


def test_the_table_has_each_rule_and_no_other() -> None:
    assert sorted(_rows()) == sorted(sabotage.ALL)


@pytest.mark.parametrize("rule", sabotage.ALL)
def test_a_row_names_the_world_that_misses_the_rule(rule: str) -> None:
    mutation = sabotage.ALL[rule]
    world, seed = _rows()[rule]
    if mutation.directed:
        assert "directed" in (world, seed)
        return
    assert seed == "within 50" or 1 <= int(seed) <= 50
    numbers = [int(each) for each in re.findall(r"(?<![\w-])\d+(?=[ ,]|$)", world)]
    assert f"`{mutation.faults}`" in world
    wanted = [mutation.images, mutation.slots, *([mutation.days] if mutation.days else [])]
    assert numbers == wanted, world
    assert [each for each in mutation.chapters if f"`{each}`" not in world] == []
