"""The factory that the pages are run against: what `make up` serves, after its first builds."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.run import demonstration, stack
from local.run.stack import Stack
from local.run.story import Story

_BOUND = 600.0  # seconds for the first seven builds; an idle machine needs a twentieth
_QUIET = 300.0  # seconds for what a page has set going


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingFactory:
    """`desk` is the folder that a reader works in, with the images of the run."""

    stack: Stack
    story: Story
    desk: Path
    environment: Mapping[str, str]

    def put_right(self) -> None:
        """Undo what a page that failed has left: so it alone fails, and not those behind it."""
        self.story.let_go_wrong({})
        self.story.admin.resume("the next page begins")

    def wait_until_quiet(self) -> None:
        """Wait until no build runs and nothing waits for one. Raises TimeoutError with the last state."""
        end = time.monotonic() + _QUIET
        while True:
            images: list[Any] = list(self.story.look().values())
            if all(image["state"] == "current" and not image["active_build"] for image in images):
                return
            if time.monotonic() > end:
                states = ", ".join(f"{each['name']}: {each['state']} {each['detail']}" for each in images)
                raise TimeoutError(f"the factory did not come to rest: {states}")
            time.sleep(0.5)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[ServingFactory]:
    """The factory with seven images that are built once. It ends with everything that it started."""
    scenario = folder / "scenario.json"
    scenario.write_text("{}", encoding="utf-8")
    with stack.running(folder, scenario=scenario) as running:
        story = Story(stack=running, watch=lambda _: None, scenario=scenario, bound=_BOUND)
        story.register()
        story.wait_for_first_builds()
        desk = folder / "desk"
        shutil.copytree(folder / demonstration.FOLDER, desk / demonstration.FOLDER)
        yield ServingFactory(stack=running, story=story, desk=desk, environment=_environment(running, desk))


def _environment(running: Stack, desk: Path) -> dict[str, str]:
    """What a reader has exported, with `imagefactory` on the path."""
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        **stack.direct(os.environ),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(desk),
        "LC_ALL": "C.UTF-8",
        "IMAGEFACTORY_URL": running.url,
        "IMAGEFACTORY_TOKEN": running.token("operator", roles=("Factory.Admin",)),
    }
