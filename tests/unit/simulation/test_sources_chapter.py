"""The chapter `sources` can fail: a poll, a silence or a job that is wrong is named."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from pipeline_core.domain import releases
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.source_images import Deprecation, OfferState, SourceImage
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.services.images.poll import Poller
from simulation.chapters.inputs.sources import SECOND, TwoSources
from simulation.world import ADMIN, SOURCE, SimulatedWorld
from tests.unit.simulation import broken
from tests.unit.simulation.broken import BASE, NEXT_RELEASE, find, rewrite

pytestmark = pytest.mark.slow  # whole runs of the simulated factory


def _rested() -> tuple[SimulatedWorld, TwoSources]:
    made, chapter = broken.told(TwoSources, seed=1)
    assert (chapter.violations(), made.findings) == ([], [])
    return made, chapter


def _of_both_sources() -> tuple[SimulatedWorld, TwoSources]:
    """Beside the first base, there is one that is built from the second source."""
    made, chapter = _rested()
    chapter._join()
    made.settle()
    assert (chapter.violations(), made.findings) == ([], [])
    return made, chapter


def _poll(made: SimulatedWorld) -> None:
    made.host.fire("poll", made.factory.poller.poll)


def test_a_poll_of_a_source_that_its_last_image_left_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _of_both_sources()
    chapter._switch()
    monkeypatch.setattr(Poller, "_has_roots", lambda *given: True)
    chapter._delete()
    chapter._second.clear()
    made.ports.clock.advance(timedelta(minutes=1))
    for name, parent in list(chapter.story.parents.items()):
        if parent is None:
            chapter._follow(name, SOURCE)
    _poll(made)
    assert f"(31) a poll asked for {SECOND.key}, which nobody follows" in made.findings
    made.settle()
    assert any(line.startswith("(31) a poll asks for ") for line in chapter.violations())


def test_a_source_that_nobody_ever_followed_may_not_be_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = _rested()
    made.base.records.sources.follow(SECOND)
    _poll(made)
    assert made.findings == []
    monkeypatch.setattr(Poller, "_has_roots", lambda *given: True)
    _poll(made)
    assert made.findings == [f"(31) a poll asked for {SECOND.key}, which nobody follows"]


def test_a_second_call_of_one_poll_is_named() -> None:
    made, _ = _rested()
    made.host.fire("poll", lambda: (made.factory.poller.poll(), made.factory.poller.poll()))
    assert made.findings == [f"(31) one poll asked 2 times for {SOURCE.key}"]


def test_a_look_outside_the_poll_is_not_counted() -> None:
    made, _ = _rested()
    made.factory.poller.poll_one(SOURCE)
    made.factory.poller.poll_one(SOURCE)
    assert made.findings == []


def test_an_image_that_does_not_say_that_its_source_is_silent_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, chapter = _of_both_sources()
    chapter._fall_silent()
    assert made.findings == []
    monkeypatch.setattr(releases, "after_silence", lambda known, *given: known)
    chapter._fall_silent()
    assert any(
        re.fullmatch(r"\(32\) \S+ does not say that its source is silent", line) for line in made.findings
    )


def test_an_image_that_still_says_that_its_source_is_silent_is_named() -> None:
    made, chapter = _rested()
    made.ports.marketplace.silent[SOURCE.key] = None
    chapter._let_polls_pass(4)
    chapter._demand_said(SOURCE, is_silent=False)
    assert made.findings == [f"(32) {BASE} says that its source is silent"]


@pytest.mark.parametrize("is_deprecated", [False, True], ids=["it is offered", "it is deprecated"])
def test_a_source_that_stays_at_an_older_release_is_named_where_it_is_followed_again(
    is_deprecated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, chapter = _of_both_sources()
    assert chapter.story.delete("other-1")
    if is_deprecated:
        _deprecate_newest(made)
    chapter._publish()
    monkeypatch.setattr(Poller, "_look", lambda *given: False)
    chapter._join()
    assert any(
        line.startswith(f"(32) {SECOND.key} was followed again: it is at 9.") for line in made.findings
    )


def _deprecate_newest(made: SimulatedWorld) -> None:
    newest = made.ports.marketplace.newest_offered(SECOND)
    assert newest is not None
    gone = SourceImage(version=newest, deprecation=Deprecation(state=OfferState.DEPRECATED, at=None))
    made.ports.marketplace.describe(SECOND, gone)


def _at_its_newest() -> tuple[SimulatedWorld, TwoSources, MarketplaceVersion]:
    """One image follows the second source, which is at its newest release. Gives that release, too."""
    made, chapter = _of_both_sources()
    chapter._publish()
    chapter._let_polls_pass(1)
    newest = made.ports.marketplace.newest_offered(SECOND)
    assert newest is not None
    assert chapter._seen(SECOND) == newest
    made.settle()
    return made, chapter, newest


def _leave(chapter: TwoSources) -> None:
    assert chapter.story.delete("other-1")


def _of_a_release_that_is_back() -> tuple[SimulatedWorld, TwoSources, MarketplaceVersion]:
    """A release was withdrawn from the second source, then its last image left it, and then it is offered again."""
    made, chapter, newest = _at_its_newest()
    made.ports.marketplace.withdraw(SECOND, newest)
    chapter._let_polls_pass(releases.LOOKS + 1)
    made.settle()
    assert chapter._seen(SECOND) != newest
    _leave(chapter)
    made.ports.marketplace.describe(SECOND, SourceImage(version=newest))
    return made, chapter, newest


def test_a_release_that_is_back_has_some_polls_where_its_source_is_followed_again() -> None:
    made, chapter, newest = _of_a_release_that_is_back()
    chapter._join()
    assert made.findings == []
    assert chapter._seen(SECOND) == newest


def test_a_release_that_is_back_and_never_believed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter, newest = _of_a_release_that_is_back()
    monkeypatch.setattr(releases, "find_returning", lambda *given: None)
    chapter._join()
    assert made.findings == [
        f"(32) {SECOND.key} was followed again: it is at {chapter._seen(SECOND)}, offered is {newest}"
    ]


def test_a_release_that_was_deprecated_while_nobody_followed_may_stay_for_a_day() -> None:
    made, chapter, newest = _at_its_newest()
    _leave(chapter)
    made.factory.pauses.pause(ADMIN, "an incident")  # no build finds out that the release is gone
    _deprecate_newest(made)
    chapter._join()
    assert made.findings == []
    assert chapter._seen(SECOND) == newest
    made.ports.clock.advance(releases.EXAMINED)
    chapter._let_polls_pass(1)
    assert chapter._seen(SECOND) == made.ports.marketplace.newest_offered(SECOND)


@pytest.mark.parametrize("asks", [True, False], ids=["a poll asks for it", "no poll asks for it"])
def test_a_release_that_was_withdrawn_while_nobody_followed_is_gone_within_a_poll(
    asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, chapter, newest = _at_its_newest()
    _leave(chapter)
    made.factory.pauses.pause(ADMIN, "an incident")
    made.ports.marketplace.withdraw(SECOND, newest)
    if not asks:
        monkeypatch.setattr(releases, "needs_examination", lambda *given: False)
    chapter._join()
    said = f"(32) {SECOND.key} was followed again: it is at {newest}, offered is "
    assert any(line.startswith(said) for line in made.findings) is not asks


def _of_another_source(made: SimulatedWorld, chapter: TwoSources) -> None:
    rewrite(
        made, "images", find(made, "images", str(BASE), "head"), '"sku":"9-lvm-gen2"', '"sku":"9-raw-gen2"'
    )


def _of_an_older_release(made: SimulatedWorld, chapter: TwoSources) -> None:
    made.ports.marketplace.publish(SOURCE, MarketplaceVersion.parse(NEXT_RELEASE))


CASES: dict[str, tuple[Callable[[SimulatedWorld, TwoSources], None], str]] = {
    "another source": (
        _of_another_source,
        r"\(33\) rhel9-base was built from .*9-lvm-gen2.*, it follows .*9-raw-gen2.*",
    ),
    "an older release": (
        _of_an_older_release,
        r"\(33\) rhel9-base was built from 9\.6\.2025112113, .* is offered",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_root_that_was_built_from_something_else_is_named(name: str) -> None:
    breaks, named = CASES[name]
    made, chapter = _rested()
    breaks(made, chapter)
    found: Sequence[str] = chapter.violations()
    assert any(re.fullmatch(named, line) for line in found), found


def test_every_move_between_sources_ends_with_all_current() -> None:
    made, chapter = _of_both_sources()
    for act in (chapter._switch, chapter._uproot, chapter._give_a_parent, chapter._delete, chapter._publish):
        act()
        made.run_until(made.ports.clock.now() + timedelta(minutes=7))
        made.settle()
    assert [*made.findings, *made.safety.broken, *chapter.violations()] == []
    assert ImageName("other-1") in made.registered or not chapter._second
