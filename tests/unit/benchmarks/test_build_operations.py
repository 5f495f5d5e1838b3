"""The list of a build's operations is complete: it adds up to what the twins counted."""

import json

import pytest

from benchmarks import build_operations
from simulation import benchmark

pytestmark = pytest.mark.slow  # a whole run of the simulated factory


def test_the_list_of_operations_adds_up_to_what_the_other_count_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert build_operations.main([]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    said = json.loads(last)
    counted = benchmark.operations_per_build()
    assert said["operations_per_build"] == pytest.approx(counted["tables"] + counted["queues"], abs=0.2)
    assert said["without_waiting"] == pytest.approx(counted["without_waiting"], abs=0.2)
    assert sum(float(line.split()[0]) for line in table if line.startswith("        ")) == pytest.approx(
        said["operations_per_build"], abs=1
    )
    assert any("send build-steps" in line for line in table)
