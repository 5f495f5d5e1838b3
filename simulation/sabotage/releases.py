"""The rules of releases: forward only, and a withdrawn one frees its base."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from pipeline_core.domain import claims, plan, releases, staleness
from pipeline_core.domain.builds import Failure
from pipeline_core.domain.releases import FollowedSource
from simulation.sabotage.shape import Sabotage, replaced


@contextlib.contextmanager
def _follows_the_last_list() -> Iterator[None]:
    """Desired inputs come from the last list, which may lag behind: what it does not name is gone."""

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(releases, "LOOKS", 1))
        stack.enter_context(replaced(releases, "SPAN", timedelta(0)))
        for module in (staleness, plan):
            stack.enter_context(replaced(module, "find_step_down", lambda head, world: None))
        yield


@contextlib.contextmanager
def _withdraws_nothing() -> Iterator[None]:
    """A release that was seen once stays the one to build from, whatever the Marketplace says."""

    def withdraw(known: FollowedSource, *given: object) -> FollowedSource:
        return replace(known, missed=None, examined_at=known.looked_at)

    with replaced(releases, "withdraw", withdraw):
        yield


@contextlib.contextmanager
def _blames_the_input() -> Iterator[None]:
    """A build that did not find its release blocks its input, as one with a broken step does."""

    with (
        replaced(claims, "lost_release", lambda build: None),
        replaced(Failure, "is_of_team", property(lambda failure: True)),
    ):
        yield


RULES = (
    Sabotage(rule="rule-4-forward-only", patch=_follows_the_last_list),
    Sabotage(rule="rule-16-withdrawn-release", patch=_withdraws_nothing, faults="none"),
    Sabotage(
        rule="rule-16-blames-no-input",
        patch=_blames_the_input,
        directed="it needs a release that comes back after a build has failed without it: one seed in thirty",
    ),
)
