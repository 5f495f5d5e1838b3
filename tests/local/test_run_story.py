"""A run does not wait for a build that failed for good: it reports the build at once, with its reason."""

from typing import Any, cast

import pytest

from local.run.story import Story, StoryError

WHY = "build rhel9-base.1 failed: provisioner: step 1 ended with exit code 1"


def _image(state: str, build: str = "") -> dict[str, Any]:
    return {"state": state, "detail": "", "version": "", "active_build": build}


class _Api:
    """The list does not say what is blocked; the image itself does."""

    def __init__(self, *looks: dict[str, Any]) -> None:
        self._looks = list(looks)

    def list_images(self, _: object) -> list[dict[str, Any]]:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return [{"name": name, **view} for name, view in look.items()]

    def get_image(self, name: str) -> tuple[dict[str, Any], str]:
        return {"name": name, "state": "blocked", "detail": WHY}, ""


class _Arm:
    ca_file = ""

    def ask(self, *_: object) -> None:
        """Accept any line."""


class _Stack:
    arm, url = _Arm(), "http://127.0.0.1:9"

    def token(self, *_: object, **__: object) -> str:
        return "token"


def _story(*looks: dict[str, Any]) -> Story:
    story = Story(stack=cast(Any, _Stack()), watch=lambda _: None, bound=0.05, look_every=0.0)
    story.admin = cast(Any, _Api(*looks))
    return story


FAILED = {"rhel9-base": _image("stale"), "rhel9-java": _image("unknown")}


def test_a_build_that_failed_for_good_ends_the_run_with_its_reason() -> None:
    building = {"rhel9-base": _image("stale", "rhel9-base.1"), "rhel9-java": _image("unknown")}
    with pytest.raises(StoryError, match=f"^rhel9-base is blocked: {WHY}"):
        _story(building, FAILED).wait_for_first_builds()


def test_what_must_fail_in_the_scenario_does_not_end_the_run() -> None:
    current = {"rhel9-base": _image("current"), "rhel9-java": _image("stale")}
    with pytest.raises(StoryError, match="did not happen that the cascade"):
        _story(current).publish_release(refused="rhel9-java")


def test_an_image_beside_one_that_is_built_is_waited_for() -> None:
    busy = {**FAILED, "rhel9-vault": _image("stale", "rhel9-vault.1")}
    with pytest.raises(StoryError, match="did not happen that every image"):
        _story(busy).wait_for_first_builds()
