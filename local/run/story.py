"""What can happen in a run: register six images, publish a new RHEL, ask for one rebuild; and wait for each."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagefactory import folders, registration
from imagefactory.client import Client
from imagefactory.failures import CommandFailure
from imagefactory.registration import ExpectedVersion
from local.run.stack import CHECKOUT, LIVE, Stack

IMAGES = ("rhel9-base", "rhel9-java", "rhel9-python", "rhel9-vault", "payments-api", "ml-worker")
SOURCE = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}
LEAF = "payments-api"
_QUIET_LOOKS = 2  # in one, a build may have ended and the next one not yet begun
_BOUND = 150.0  # seconds that any one part of the story may take


class StoryError(Exception):
    """A part of the story did not come true, or not in time; the text says what was seen last."""


Watch = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True, kw_only=True)
class Story:
    """The run so far: views of images by name, as the API gave them. `details` has the last word on each image.

    No part of it may take longer than `bound` seconds. `scenario` is the file that says how builds go, where the
    stack was started with one.
    """

    stack: Stack
    watch: Watch
    scenario: Path | None = None
    bound: float = _BOUND
    look_every: float = 0.6  # seconds; a look costs the factory a dozen storage operations
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
        """After the Functions host was started again its address is another."""
        self.admin = self._client("operator", "Factory.Admin")

    def register(self) -> None:
        """Register the platform steps and the six images as the `imagefactory` command does, parents first."""
        registration.register_platform(self.admin, folders.load_platform(CHECKOUT / "images"))
        for name in IMAGES:
            folder = folders.load_image(CHECKOUT / "images" / name)
            registration.register(self.admin, folder, ExpectedVersion(create=True))
            self.watch(self.look())

    def wait_for_first_builds(self) -> None:
        """Until every image has a version and is current."""
        self.first = self._until("every image is built", _all_current)

    def let_go_wrong(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        """Say how the builds that begin from now on go, by image and stage; all others go well."""
        if self.scenario is None:
            raise StoryError(
                "this stack was started without a scenario file: nothing can be made to go wrong"
            )
        new = self.scenario.with_suffix(".new")
        new.write_text(json.dumps(wanted), encoding="utf-8")
        os.replace(new, self.scenario)  # whoever reads it has the old one or the new one, never a part

    def publish_release(self, *, refused: str = "", stays: frozenset[str] = frozenset()) -> None:
        """Publish a new RHEL in the Marketplace, as Red Hat would; the timer has to notice by itself.

        Waits until every image is current at a new version, but for those of `stays`: they keep theirs, and
        `refused` is waited for until its new input is blocked (or, against all expectation, published).
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
        team.request_build(LEAF, "demonstration", "make-run")
        self.last = self._until(
            "the manual rebuild is live",
            lambda images: _all_current(images) and images[LEAF]["version"] != before,
        )

    def wait_until_quiet(self) -> list[str]:
        """Wait for what is still being removed; what is left after all, empty in the end."""
        deadline = time.monotonic() + 20
        while True:
            state = self.stack.arm.ask("GET", "state")
            left = [str(each) for each in [*state["container_groups"], *state["machines"]]]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)

    def builds(self) -> list[dict[str, Any]]:
        """Every build of every image, newest first for each; the answers are kept as `details`."""
        self.details = {name: self.admin.get_image(name)[0] for name in IMAGES}
        return [build for view in self.details.values() for build in view["builds"]]

    def _is_blocked(self, name: str) -> bool:
        view = self.admin.get_image(name)[0]
        return view["state"] == "blocked" and not view["active_build"]

    def live_versions(self) -> list[tuple[str, str]]:
        """Image and version of everything in the live gallery."""
        versions = (each.split("/") for each in self.stack.arm.ask("GET", "state")["versions"])
        return [(parts[-3], parts[-1]) for parts in versions if parts[-5].lower() == LIVE]

    def look(self) -> dict[str, Any]:
        """The images as they are now, by name."""
        return {view["name"]: view for view in self.admin.list_images(None)}

    def _demand_none_blocked(self, images: Mapping[str, Any]) -> None:
        """Raise StoryError where nothing is built any more because a build failed for good: waiting would not help.

        Lists do not say what is blocked, so an image is asked for where two looks saw no build at all.
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
        return Client(url=self.stack.url, token=self.stack.token(subject, roles=(role,)))

    def _until(self, what: str, is_done: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + self.bound
        images: dict[str, Any] = {}
        while time.monotonic() < deadline:
            try:
                images = self.look()
            except CommandFailure:
                if self.stack.host.is_alive():
                    raise
                images = {}  # the host was killed: who killed it starts it again
            if images:
                self.watch(images)
                self._demand_none_blocked(images)
                if len(images) == len(IMAGES) and is_done(images):
                    return images
            time.sleep(self.look_every)
        states = ", ".join(f"{name}: {view['state']} {view['detail']}" for name, view in images.items())
        raise StoryError(f"within {self.bound:g} s it did not happen that {what}; seen last: {states}")


def _all_current(images: Mapping[str, Any]) -> bool:
    return all(
        view["state"] == "current" and view["version"] and not view["active_build"]
        for view in images.values()
    )
