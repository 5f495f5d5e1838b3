"""`imagefactory retention plan`: one image in full, the fleet with what happens, and what only unknown use keeps."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process


def _step(version: str, removal: str, *reasons: str, after: str | None = None) -> dict[str, Any]:
    told = [{"by": "x", "message": reason} for reason in reasons]
    return {"version": version, "removal": removal, "reasons": told, "delete_after": after}


def _plan(image: str, *steps: dict[str, Any], waiting: int = 0) -> dict[str, Any]:
    return {"image": image, "keep": 1, "keep_in_use": True, "waiting_for_use": waiting, "steps": list(steps)}


STEPS = (
    _step("9.20261101.1", "exclude"),
    _step("9.20261102.1", "wait", after="2026-11-28T09:30:00Z"),
    _step("9.20261103.1", "keep", "it is current"),
)


def test_the_plan_of_one_image_names_every_version(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/images/base/retention"] = _plan("base", *STEPS)
    shown = run("retention", "plan", "base")
    assert shown.exit_code == 0
    words = " ".join(shown.stdout.split())
    assert "1 of 3 live versions are excluded or deleted next" in words
    for part in ("2026-11-28 09:30 UTC", "it is current", "9.20261103.1"):
        assert part in words


def test_the_plan_of_all_images_leaves_out_what_simply_stays(run: Run, factory: FakeFactory) -> None:
    going = _step("9.20261105.1", "delete")
    factory.shown["/api/retention"] = {
        "plans": [_plan("base", *STEPS), _plan("java", going, waiting=3)],
        "failed": [{"image": "broken", "message": "its definition cannot be read"}],
        "next": None,
        "round": {"began_at": "2026-11-28T09:30:00Z", "after": "java", "is_over": False},
    }
    shown = run("retention", "plan")
    words = " ".join(f"{shown.stdout} {shown.stderr}".split())
    assert "2 of 4 live versions" in words
    assert "it is current" not in words
    assert "3 more would go if their use were known" in words
    assert "keepInUse: false" in words
    assert "broken: its definition cannot be read" in words
    assert "the round that began at 2026-11-28 09:30 UTC has reached java" in words
    assert "it is current" in run("retention", "plan", "--all").stdout


def test_programs_get_the_same_as_json(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/retention"] = {"plans": [_plan("base", *STEPS)], "failed": [], "next": None}
    shown = json.loads(run("retention", "plan", "-o", "json").stdout)
    assert [each["image"] for each in shown["plans"]] == ["base"]
    assert shown["failed"] == []
    assert shown["round"] is None  # a factory of an older release
