"""The events of a run: register seven images, publish a new RHEL, ask for one rebuild. It waits for each one."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from imagefactory import folders, registration
from imagefactory.client import Client
from imagefactory.commands import catalog
from imagefactory.failures import Unreachable
from imagefactory.registration import ExpectedVersion
from imagefactory.waiting import Patience
from local.run import demonstration
from local.run.stack import CHECKOUT, LIVE, Stack
from local.run.watch import find_dead

IMAGES = (
    *("rhel9-base", "rhel9-java", "rhel9-node", "rhel9-python", "rhel9-vault"),
    *("payments-api", "ml-worker"),
)
SOURCE = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}
LEAF = "payments-api"
_TOOL_LOOK = 0.5  # seconds between two looks at the files of tools
_RETRY = 1.0  # seconds between two questions to a factory that is out of reach
_SLOW_LOOK = 5.0  # seconds that a look may take
_QUIET_LOOKS = 2  # in a single look, a build may have ended and the next build not have begun
_PATIENCE = 180.0  # seconds that the factory may not answer, say because Azurite or the machine stood still
_BOUND = 150.0  # seconds that each part of the story may take


def bring_tools(admin: Client, images: Path, seconds: float) -> None:
    """Bring the files of a run's tools, as `imagefactory catalog submit --from --wait` does. Safe to repeat.

    Raises CommandRefused where one is refused, Unreachable where one is not admitted within `seconds`.
    """
    patience = Patience(limit=seconds, every=_TOOL_LOOK, report=lambda text: None)
    done = catalog.bring(admin, images, [], images / demonstration.FILES, patience)
    catalog.demand_good(done)


class StoryError(Exception):
    """A part of the story did not happen, or not in time. The text gives the last state."""


Answer = TypeVar("Answer")
Watch = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True, kw_only=True)
class Story:
    """The run so far: views of images by name, as the API gave them. `details` holds the last view of each image.

    No part of the story may take longer than `bound` seconds. `scenario` is the file of the builds' outcomes, if the
    stack was started with one. `pause` waits between two looks, `look_every` seconds at most.
    """

    stack: Stack
    watch: Watch
    scenario: Path | None = None
    bound: float = _BOUND
    look_every: float = 0.6  # seconds, because a look costs the factory a dozen storage operations
    pause: Callable[[float], None] = time.sleep
    admin: Client = field(init=False)
    first: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    release: str = ""
    cascade_seconds: float = 0.0
    _refused: str = ""
    _quiet_looks: int = 0

    def __post_init__(self) -> None:
        self.admin = self._client("operator", "Factory.Admin")

    def use_new_host(self) -> None:
        """Use the new address of the Functions host after its restart."""
        self.admin = self._client("operator", "Factory.Admin")

    def register(self) -> None:
        """Register the platform steps and the seven images as the `imagefactory` command does, parents first."""
        images = demonstration.prepare(CHECKOUT / "images", self.stack.folder / demonstration.FOLDER)
        platform = folders.load_platform(images)
        self._patiently(lambda: bring_tools(self.admin, images, self.bound))
        self._patiently(lambda: registration.register_platform(self.admin, platform))
        for name in IMAGES:
            folder = folders.load_image(images / name)
            self._patiently(partial(self._register, folder))
            self.watch(self._patiently(self.look))

    def _register(self, folder: folders.ImageFolder) -> None:
        """Register an image that may be there: the answer to the last try may have been lost."""
        registration.register(self.admin, folder, ExpectedVersion())

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """The answer, also where the factory is out of reach for a while: it goes on by itself afterwards."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return ask()
            except Unreachable:
                dead = find_dead(self.stack.parts())
                if dead:
                    raise StoryError(dead) from None
                if time.monotonic() > deadline:
                    raise
                self.pause(_RETRY)

    def wait_for_first_builds(self) -> None:
        """Wait until every image has a version and is current."""
        self.first = self._until("every image is built", _all_current)

    def let_go_wrong(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        """Set the outcomes of builds that begin from now on, by image and stage. All other builds succeed."""
        if self.scenario is None:
            raise StoryError(
                "this stack was started without a scenario file: nothing can be made to go wrong"
            )
        new = self.scenario.with_suffix(".new")
        new.write_text(json.dumps(wanted), encoding="utf-8")
        os.replace(new, self.scenario)  # a reader gets the old file or the new file, never a part

    def publish_release(self, *, refused: str = "", stays: frozenset[str] = frozenset()) -> None:
        """Publish a new RHEL in the Marketplace, as Red Hat does. The timer must find it by itself.

        Waits until every image is current at a new version, except the images of `stays`, which keep theirs. It also
        waits until the new input of `refused` is blocked (or, which would be an error, published).
        """
        self.release = "9.8.2026062323"
        self._refused = refused
        started = time.monotonic()
        self.stack.arm.ask("POST", "marketplace", {**SOURCE, "version": self.release})
        old = {name: view["version"] for name, view in self.first.items()}

        def is_done(images: Mapping[str, Any]) -> bool:
            for name, view in images.items():
                if name not in self.changed and view["version"] != old[name]:
                    self.changed[name] = time.monotonic() - started
            moving = {name: view for name, view in images.items() if name not in stays}
            if not _all_current(moving) or not set(moving) <= set(self.changed):
                return False
            return not refused or refused in self.changed or self._is_blocked(refused)

        self.last = self._until("the cascade is finished", is_done)
        self.cascade_seconds = time.monotonic() - started

    def rebuild_leaf(self) -> None:
        """Ask for one rebuild over HTTP, as the leaf's own team."""
        team = self._client("developer", "Team.payments")
        before = self.last[LEAF]["version"]
        self._patiently(lambda: team.request_build(LEAF, "demonstration", "make-run"))
        self.last = self._until(
            "the manual rebuild is live",
            lambda images: _all_current(images) and images[LEAF]["version"] != before,
        )

    def wait_until_quiet(self) -> list[str]:
        """Wait for deletions that still run. Returns the resources that remain; the list must be empty."""
        deadline = time.monotonic() + 20
        while True:
            state = self.stack.arm.ask("GET", "state")
            left = [str(each) for each in [*state["container_groups"], *state["machines"]]]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)

    def builds(self) -> list[dict[str, Any]]:
        """Every build of every image, the newest first for each image. The answers are kept as `details`."""
        self.details = {name: self.admin.get_image(name)[0] for name in IMAGES}
        return [build for view in self.details.values() for build in view["builds"]]

    def _is_blocked(self, name: str) -> bool:
        view = self.admin.get_image(name)[0]
        return view["state"] == "blocked" and not view["active_build"]

    def live_versions(self) -> list[tuple[str, str]]:
        """Image and version of each version in the live gallery."""
        versions = (each.split("/") for each in self.stack.arm.ask("GET", "state")["versions"])
        return [(parts[-3], parts[-1]) for parts in versions if parts[-5].lower() == LIVE]

    def look(self) -> dict[str, Any]:
        """The present state of the images, by name."""
        return {view["name"]: view for view in self.admin.list_images(None)}

    def _demand_none_blocked(self, images: Mapping[str, Any]) -> None:
        """Raise StoryError if no build runs because a build failed for good. Waiting would not help.

        Lists do not show which image is blocked. So each image is read after two looks without any build.
        """
        is_quiet = not any(view["active_build"] for view in images.values())
        self._quiet_looks = self._quiet_looks + 1 if is_quiet else 0
        if self._quiet_looks < _QUIET_LOOKS:
            return
        for name, listed in images.items():
            if name == self._refused or listed["state"] == "current":
                continue
            view = self.admin.get_image(name)[0]
            if view["state"] == "blocked":
                raise StoryError(f"{name} is blocked: {view['detail']}")

    def _client(self, subject: str, role: str) -> Client:
        token = self.stack.token(subject, roles=(role,))
        return Client(url=self.stack.url, token=token, ca_file=str(self.stack.arm.ca_file))

    def _until(self, what: str, is_done: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + self.bound
        images: dict[str, Any] = {}
        while time.monotonic() < deadline:
            asked = time.monotonic()
            images = self._patiently(self.look)
            deadline += max(0.0, time.monotonic() - asked - _SLOW_LOOK)  # what stood still does not count
            self.watch(images)
            self._demand_none_blocked(images)
            if len(images) == len(IMAGES) and is_done(images):
                return images
            self.pause(self.look_every)
        states = ", ".join(f"{name}: {view['state']} {view['detail']}" for name, view in images.items())
        raise StoryError(f"within {self.bound:g} s it did not happen that {what}; seen last: {states}")


def _all_current(images: Mapping[str, Any]) -> bool:
    return all(
        view["state"] == "current" and view["version"] and not view["active_build"]
        for view in images.values()
    )
