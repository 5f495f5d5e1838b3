"""`imagefactory state rebuild`: every step to the end, what could not be restored, and refusals."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, problem, reply

pytestmark = pytest.mark.process


def _step(*restored: str, following: str | None = None, **changes: Any) -> tuple[int, dict[str, str], bytes]:
    empty: dict[str, Any] = {"kept": [], "deleted": [], "problems": [], "next": following}
    return reply(200, {"restored": restored, **empty, **changes})


def test_every_step_is_taken_to_the_end(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_step("app", "base", following="told:base"), _step("java", deleted=["old"])]
    result = run("state", "rebuild", "-o", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "restored": ["app", "base", "java"],
        "kept": [],
        "deleted": ["old"],
        "problems": [],
    }
    assert [(method, path) for method, path, _ in factory.asked] == [("POST", "/api/state/rebuild")] * 2
    assert "2 restored" in result.stderr


def test_a_step_that_the_factory_cannot_take_now_is_taken_again(run: Run, factory: FakeFactory) -> None:
    status, headers, body = problem(503, "something does not answer")
    factory.answers = [(status, {**headers, "Retry-After": "0"}, body), _step("app")]
    result = run("state", "rebuild")
    assert result.exit_code == 0, result.output
    assert "1 restored, 0 were there, 0 stay deleted" in result.stdout


def test_what_could_not_be_restored_is_told_and_is_no_success(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_step("base", problems=[{"image": "app", "message": "its definition is gone"}])]
    result = run("state", "rebuild", "--force")
    assert result.exit_code == 1
    assert "its definition is gone" in result.stdout
    assert "--force" in result.stderr


def test_steps_that_come_to_no_end_are_given_up(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_step(following="told:base") for _ in range(3)]
    result = run("state", "rebuild")
    assert result.exit_code == 1
    assert "come to no end" in result.stderr
    assert len(factory.asked) == 2


def test_a_factory_that_has_its_records_says_so(run: Run, factory: FakeFactory) -> None:
    factory.answers = [problem(409, "the records are there: nothing is rebuilt")]
    result = run("state", "rebuild")
    assert result.exit_code == 1
    assert "nothing is rebuilt" in result.stderr
