"""The main job's promises: what counts as broken."""

from typing import Any

import pytest

from tools import check_run

GOOD: dict[str, Any] = {
    "result": "ok",
    "duplicate_builds": 0,
    "images": [{}] * 7,
    "seconds": 59.9,
    "packer": "recorded",
}


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        pytest.param({}, True, id="all is well"),
        pytest.param({"seconds": 60.1}, False, id="too slow"),
        pytest.param({"seconds": 800, "packer": "real"}, True, id="the real Packer"),
        pytest.param({"result": "failed"}, False, id="a failed run"),
        pytest.param({"duplicate_builds": 1}, False, id="a build too many"),
        pytest.param({"images": [{}] * 6}, False, id="an image is missing"),
    ],
)
def test_each_promise_can_be_broken(changed: dict[str, Any], holds: bool) -> None:
    assert (check_run.broken({**GOOD, **changed}) == []) is holds
