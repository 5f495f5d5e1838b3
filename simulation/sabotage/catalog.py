"""The rules of catalog, files and trials: tools are an input, each has its own file, one that leaves is not missed in
silence, no build has a file that was not admitted, and steps on trial are for the images that the trial names.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline_core.domain import platform_trials, staleness
from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.staleness import Platform
from pipeline_core.domain.tools import ScanResult
from pipeline_core.services.builds import launch
from pipeline_core.services.images.platform import Platforms
from pipeline_core.state.catalog.tools import ToolStore
from simulation.sabotage.shape import Sabotage, replaced

_inputs = staleness._inputs
_find = launch._url


@contextlib.contextmanager
def _keeps_tools() -> Iterator[None]:
    """An image keeps the versions of the tools that it was built with."""

    def inputs(head: Any, *given: Any) -> Any:
        wanted = _inputs(head, *given)
        if not isinstance(wanted, BuildInputs) or head.current is None:
            return wanted
        known = {tool[0]: tool for tool in head.current.inputs.catalog}
        return replace(wanted, catalog=tuple(known.get(tool[0], tool) for tool in wanted.catalog))

    with replaced(staleness, "_inputs", inputs):
        yield


@contextlib.contextmanager
def _takes_the_newest_file() -> Iterator[None]:
    """A tool is fetched from the address in force, whatever version the build was planned with."""

    def find(urls: Any, tool: Any) -> Any:
        newest = max((each for each in urls if each[0] == tool[0]), default=tool)
        return _find(urls, newest)

    with replaced(launch, "_url", find):
        yield


@contextlib.contextmanager
def _drops_in_silence() -> Iterator[None]:
    """The images that name a tool which leaves are not notified."""
    with replaced(Platforms, "announce", lambda platforms, run: 0):
        yield


@contextlib.contextmanager
def _tries_on_all() -> Iterator[None]:
    """Every image is built with the steps on trial."""
    with replaced(Platform, "steps_of", lambda platform, image: platform.trial or platform):
        yield


@contextlib.contextmanager
def _builds_with_any_file() -> Iterator[None]:
    """A build does not ask whether the files of its tools are admitted."""
    with replaced(ToolStore, "missing", lambda store, digests: ()):
        yield


@contextlib.contextmanager
def _keeps_what_was_tried() -> Iterator[None]:
    """A canary whose steps on trial are given up counts as current."""

    def inputs(head: Any, world: Any, *given: Any) -> Any:
        wanted = _inputs(head, world, *given)
        if not isinstance(wanted, BuildInputs) or head.current is None:
            return wanted
        built = head.current.inputs.platform
        is_given_up = built in {each.digest for each in world.platform.ended}
        return replace(wanted, platform=built) if is_given_up else wanted

    with replaced(staleness, "_inputs", inputs):
        yield


@contextlib.contextmanager
def _follows_a_canary() -> Iterator[None]:
    """A trial may leave out what is built from its canaries, and these images follow them."""
    with (
        replaced(platform_trials, "without_name", lambda *given: ()),
        replaced(staleness, "_of_trial", lambda *given: ""),
    ):
        yield


@contextlib.contextmanager
def _takes_no_answer_for_a_yes() -> Iterator[None]:
    """A file that no scanner has an answer about is let in."""
    with replaced(ScanResult, "lets_in", property(lambda result: result is not ScanResult.FOUND)):
        yield


_WORLD: dict[str, Any] = {"faults": "light", "chapters": ("catalog",)}
_TRIALS: dict[str, Any] = {"faults": "light", "chapters": ("trials",)}
_FILES: dict[str, Any] = {"chapters": ("tool-files",)}
RULES = (
    Sabotage(rule="tools-are-inputs", patch=_keeps_tools, **_WORLD),
    Sabotage(rule="a-tool-has-its-own-file", patch=_takes_the_newest_file, chapters=("catalog",)),
    Sabotage(rule="a-dropped-tool-is-reported", patch=_drops_in_silence, **_WORLD),
    Sabotage(rule="a-trial-is-for-its-canaries", patch=_tries_on_all, **_TRIALS),
    Sabotage(rule="canaries-go-back", patch=_keeps_what_was_tried, **_TRIALS),
    Sabotage(rule="nobody-follows-a-canary", patch=_follows_a_canary, **_TRIALS),
    # Without faults, so that the chapter can watch an image that waits.
    Sabotage(rule="only-admitted-files", patch=_builds_with_any_file, faults="none", **_FILES),
    Sabotage(rule="unknown-admits-nothing", patch=_takes_no_answer_for_a_yes, faults="light", **_FILES),
)
