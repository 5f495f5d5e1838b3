"""`imagefactory state recover`: every step to the end, problems by image, refusals, and the command's former name."""

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
    result = run("state", "recover", "-o", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "restored": ["app", "base", "java"],
        "kept": [],
        "deleted": ["old"],
        "problems": [],
    }
    assert [(method, path) for method, path, _ in factory.asked] == [("POST", "/api/state/rebuild")] * 2
    assert "2 recovered" in result.stderr


def test_a_step_that_the_factory_cannot_take_now_is_taken_again(run: Run, factory: FakeFactory) -> None:
    status, headers, body = problem(503, "something does not answer")
    factory.answers = [(status, {**headers, "Retry-After": "0"}, body), _step("app")]
    result = run("state", "recover")
    assert result.exit_code == 0, result.output
    assert "1 recovered, 0 were there, 0 stay deleted" in result.stdout


def test_an_image_that_is_not_recovered_is_named_and_fails_the_command(
    run: Run, factory: FakeFactory
) -> None:
    factory.answers = [_step("base", problems=[{"image": "app", "message": "its definition is gone"}])]
    result = run("state", "recover", "--force")
    assert result.exit_code == 1
    assert "its definition is gone" in result.stdout
    assert "--force" in result.stderr


def test_steps_that_come_to_no_end_are_given_up(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_step(following="told:base") for _ in range(3)]
    result = run("state", "recover")
    assert result.exit_code == 1
    assert "do not end" in result.stderr
    assert len(factory.asked) == 2


def test_a_factory_that_has_its_records_says_so(run: Run, factory: FakeFactory) -> None:
    factory.answers = [problem(409, "the records are there: nothing is recovered")]
    result = run("state", "recover")
    assert result.exit_code == 1
    assert "nothing is recovered" in result.stderr


def test_the_former_name_does_the_same_and_names_the_new_one_first(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_step("app")] * 2
    new = run("state", "recover", "--force", "-o", "json")
    former = run("state", "rebuild", "--force", "-o", "json")
    assert former.exit_code == new.exit_code == 0, former.output
    assert former.stdout == new.stdout
    assert factory.asked[0] == factory.asked[1]
    said, *rest = former.stderr.splitlines()
    assert said == "`state rebuild` is now `state recover`; both do the same"
    assert rest == new.stderr.splitlines()


def test_the_former_name_fails_where_the_new_one_does(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_step(problems=[{"image": "app", "message": "its definition is gone"}])]
    assert run("state", "rebuild").exit_code == 1


def test_help_lists_the_new_name_alone(run: Run) -> None:
    listed = run("state", "--help").stdout
    assert "recover" in listed
    assert "rebuild" not in listed
