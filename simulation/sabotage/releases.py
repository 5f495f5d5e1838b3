"""The rules of releases: forward only, and a withdrawn one frees its base."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pipeline_core.domain import claims, plan, releases, staleness
from pipeline_core.domain.builds import Failure
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.services.images.poll import Poller
from pipeline_core.state.records import Stored
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


@contextlib.contextmanager
def _follows_for_ever() -> Iterator[None]:
    """A source that was followed once is polled for ever."""
    with replaced(Poller, "_has_roots", lambda poller, source: True):
        yield


@contextlib.contextmanager
def _polls_for_each_image() -> Iterator[None]:
    """One list call for each root."""
    poll = Poller.poll

    def poll_more(poller: Poller) -> int:
        done = poll(poller)
        for followed in poller.records.sources.list():
            for _ in list(poller.records.index.roots(followed.value.source))[1:]:
                poller.poll_one(followed.value.source)
        return done

    with replaced(Poller, "poll", poll_more):
        yield


@contextlib.contextmanager
def _hears_no_silence() -> Iterator[None]:
    """A source that gives nothing is as it was."""
    with replaced(releases, "after_silence", lambda known, *given: known):
        yield


@contextlib.contextmanager
def _forgets_what_was_left() -> Iterator[None]:
    """A source that was not polled for a while is not polled again on the same day."""
    look = Poller._look

    def look_if_fresh(poller: Poller, followed: Stored[FollowedSource]) -> bool:
        last, now = followed.value.looked_at, poller.effects.clock.now()
        is_old = last is not None and timedelta(minutes=15) < now - last < timedelta(hours=12)
        return not is_old and look(poller, followed)

    with replaced(Poller, "_look", look_if_fresh):
        yield


_SOURCES: dict[str, Any] = {"faults": "light", "chapters": ("sources",)}
RULES = (
    Sabotage(rule="rule-4-forward-only", patch=_follows_the_last_list, faults="none"),
    Sabotage(rule="rule-16-unfollowed-source", patch=_follows_for_ever, **_SOURCES),
    Sabotage(rule="one-list-call-a-source", patch=_polls_for_each_image, **_SOURCES),
    Sabotage(rule="rule-16-silence-is-shown", patch=_hears_no_silence, **_SOURCES),
    Sabotage(rule="rule-16-followed-again", patch=_forgets_what_was_left, **_SOURCES),
    Sabotage(rule="rule-16-withdrawn-release", patch=_withdraws_nothing, faults="none"),
    Sabotage(
        rule="rule-16-blames-no-input",
        patch=_blames_the_input,
        directed="it needs a release that comes back after a build has failed without it: one seed in thirty",
    ),
)
