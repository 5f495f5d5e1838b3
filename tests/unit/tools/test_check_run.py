"""The main job's promises: what counts as broken, and how much time a slow machine gets."""

from typing import Any

import pytest

from tools import check_run

GOOD: dict[str, Any] = {
    "result": "ok",
    "duplicate_builds": 0,
    "images": [{}] * 6,
    "seconds": 59.9,
    "packer": "recorded",
}


@pytest.mark.parametrize(
    ("starts", "wanted"),
    [
        pytest.param([0.5] * 5, 1.0, id="the reference"),
        pytest.param([0.2] * 5, 1.0, id="a faster machine gets no less"),
        pytest.param([0.3, 0.55, 0.55, 0.55, 9.0], 1.1, id="the median counts"),
        pytest.param([2.0] * 5, 1.25, id="never more than a quarter"),
    ],
)
def test_a_slow_machine_gets_up_to_a_quarter_more(starts: list[float], wanted: float) -> None:
    assert check_run.factor(starts) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("changed", "slower", "holds"),
    [
        pytest.param({}, 1.0, True, id="all is well"),
        pytest.param({"seconds": 60.1}, 1.0, False, id="too slow"),
        pytest.param({"seconds": 66.0}, 1.1, True, id="a slow machine"),
        pytest.param({"seconds": 75.1}, 1.25, False, id="too slow for any machine"),
        pytest.param({"seconds": 800, "packer": "real"}, 1.0, True, id="the real Packer"),
        pytest.param({"result": "failed"}, 1.0, False, id="a failed run"),
        pytest.param({"duplicate_builds": 1}, 1.0, False, id="a build too many"),
        pytest.param({"images": [{}] * 5}, 1.0, False, id="an image is missing"),
    ],
)
def test_each_promise_can_be_broken(changed: dict[str, Any], slower: float, holds: bool) -> None:
    assert (check_run.broken({**GOOD, **changed}, slower) == []) is holds
