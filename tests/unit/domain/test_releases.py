"""Which release a source is at: a truth table of single looks, and what holds for any sequence of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.domain import releases
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.errors import ErrorClass, InvalidValue
from pipeline_core.domain.journal import Event
from pipeline_core.domain.releases import FollowedSource, Looks, Silence, WithdrawalReason, WithdrawnRelease
from pipeline_core.domain.source_images import Deprecation, OfferState
from pipeline_core.domain.versions import MarketplaceVersion
from tests.unit.domain.factories import NOW, SOURCE

OLD, MID, NEW = (MarketplaceVersion(9, minor, 1) for minor in (4, 6, 10))
ALL = frozenset({OLD, MID, NEW})
POLL = timedelta(minutes=5)
ACTIVE, DEPRECATED = Deprecation(), Deprecation(state=OfferState.DEPRECATED)
AT = FollowedSource(source=SOURCE, newest=NEW, revision=7, examined_at=NOW - POLL)
MISSED = replace(AT, missed=Looks(count=2, since=NOW - 2 * POLL))
FALLEN = replace(
    AT,
    newest=MID,
    withdrawn=(WithdrawnRelease(version=NEW, since=NOW - timedelta(days=1), by=WithdrawalReason.ABSENT),),
)
LISTED_AGAIN = replace(
    FALLEN, withdrawn=(replace(FALLEN.withdrawn[0], listed=Looks(count=2, since=NOW - 2 * POLL)),)
)

Facts = tuple[MarketplaceVersion | None, int, tuple[MarketplaceVersion, ...]]  # newest, revision, withdrawn


def _facts(seen: FollowedSource) -> Facts:
    return seen.newest, seen.revision, tuple(each.version for each in seen.withdrawn)


LISTS: dict[str, tuple[FollowedSource, frozenset[MarketplaceVersion], Facts]] = {
    "nothing was known": (FollowedSource(source=SOURCE), ALL, (NEW, 1, ())),
    "the same again": (AT, ALL, (NEW, 7, ())),
    "a newer one": (replace(AT, newest=MID), ALL, (NEW, 8, ())),
    "missed once": (AT, ALL - {NEW}, (NEW, 7, ())),
    "missed three times": (MISSED, ALL - {NEW}, (MID, 8, (NEW,))),
    "missed three times, and nothing else is listed that counts": (
        replace(MISSED, newest=OLD),
        frozenset({MarketplaceVersion(9, 1, 1)}),
        (MarketplaceVersion(9, 1, 1), 8, (OLD,)),
    ),
    "missed three times within a minute": (
        replace(AT, missed=Looks(count=8, since=NOW - timedelta(minutes=1))),
        ALL - {NEW},
        (NEW, 7, ()),
    ),
    "missed, and a newer one came": (replace(MISSED, newest=MID), frozenset({OLD, NEW}), (NEW, 8, ())),
    "empty": (MISSED, frozenset(), (NEW, 7, ())),
    "a withdrawn one is listed": (FALLEN, ALL, (MID, 7, (NEW,))),
    "a newer one than the withdrawn one": (
        FALLEN,
        ALL | {MarketplaceVersion(9, 11, 1)},
        (MarketplaceVersion(9, 11, 1), 8, ()),
    ),
    "only the withdrawn one is listed": (
        replace(FALLEN, newest=None),
        frozenset({NEW}),
        (None, 7, (NEW,)),
    ),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_list(case: str) -> None:
    known, listed, wanted = LISTS[case]
    seen = releases.after_list(known, listed, NOW)
    assert _facts(seen) == wanted
    assert seen.looked_at == NOW
    assert seen.announce is (wanted[1] != known.revision)


def test_a_list_that_has_it_again_ends_the_count() -> None:
    assert releases.after_list(MISSED, ALL, NOW).missed is None


def test_since_when_it_is_gone_is_the_first_look_that_missed_it() -> None:
    (gone,) = releases.after_list(MISSED, ALL - {NEW}, NOW).withdrawn
    assert (gone.since, gone.by) == (NOW - 2 * POLL, WithdrawalReason.UNLISTED)


def test_a_withdrawn_one_is_counted_again_from_its_first_list() -> None:
    once = releases.after_list(FALLEN, ALL, NOW)
    assert once.withdrawn[0].listed == Looks(count=1, since=NOW)
    assert releases.after_list(once, ALL - {NEW}, NOW + POLL).withdrawn[0].listed is None


def test_silence_counts_and_ends_with_a_list() -> None:
    first = releases.after_silence(AT, "refused", NOW)
    second = releases.after_silence(first, "refused again", NOW + 2 * POLL)
    third = releases.after_silence(second, "refused again", NOW + 3 * POLL)
    assert (first.is_silent, second.is_silent, third.is_silent) == (False, False, True)
    assert third.silence == Silence(looks=Looks(count=3, since=NOW), why="refused again")
    assert releases.after_list(third, ALL, NOW + 4 * POLL).silence is None
    assert not AT.is_silent


def test_a_silence_that_lasts_is_told_once() -> None:
    seen, told = AT, []
    for turn in range(6):
        seen = releases.after_silence(seen, "refused", NOW + turn * 2 * POLL)
        if seen.announce:
            told.append(turn)
            assert seen.news is not None
            assert (seen.news.event, "is seen since" in seen.news.detail) == (Event.SOURCE_SILENT, True)
        seen = replace(seen, announce=False)
    assert told == [2]
    again = releases.after_list(seen, ALL, NOW + 20 * POLL)
    for turn in range(3):
        again = releases.after_silence(again, "refused", NOW + (21 + 2 * turn) * POLL)
    assert again.announce


def test_news_that_were_not_announced_are_not_lost_by_a_silence() -> None:
    fallen = replace(releases.withdraw(AT, NEW, WithdrawalReason.ABSENT, ALL, NOW), announce=True)
    seen = fallen
    for turn in range(4):
        seen = releases.after_silence(seen, "refused", NOW + turn * 2 * POLL)
    assert seen.news == fallen.news
    told = releases.after_silence(replace(seen, announce=False), "refused", NOW + 9 * POLL)
    assert told.news is not None
    assert told.news.event is Event.SOURCE_SILENT


def test_a_deprecated_one_is_withdrawn_at_once() -> None:
    seen = releases.after_examination(AT, DEPRECATED, ALL, NOW)
    assert _facts(seen) == (MID, 8, (NEW,))
    assert seen.withdrawn[0].by is WithdrawalReason.DEPRECATED
    assert seen.news is not None
    assert seen.news.event is Event.RELEASE_WITHDRAWN
    assert f"the newest that is offered is {SOURCE.urn(MID)}" in seen.news.detail
    assert seen.withdrawn[0].message == "is deprecated by its publisher"


def test_the_last_one_leaves_nothing() -> None:
    seen = releases.withdraw(AT, NEW, WithdrawalReason.ABSENT, frozenset({NEW}), NOW)
    assert _facts(seen) == (None, 8, (NEW,))
    assert seen.news is not None
    assert "no other release is offered" in seen.news.detail
    assert seen.last_withdrawn is not None
    assert FollowedSource(source=SOURCE).last_withdrawn is None


def test_one_that_is_to_be_deprecated_is_a_warning_with_its_day() -> None:
    day = NOW + timedelta(days=30)
    seen = releases.after_examination(AT, Deprecation(state=OfferState.SCHEDULED, at=day), ALL, NOW)
    assert (_facts(seen), seen.ends_at, seen.examined_at) == ((NEW, 7, ()), day, NOW)
    assert releases.after_examination(seen, ACTIVE, ALL, NOW).ends_at is None


GETS: dict[str, tuple[FollowedSource, bool]] = {
    "none is known": (FollowedSource(source=SOURCE), False),
    "it is new": (replace(AT, examined_at=None), True),
    "it was looked at": (AT, False),
    "it was missed since": (replace(AT, missed=Looks(count=1, since=NOW)), True),
    "it was looked at since it was missed": (replace(MISSED, examined_at=NOW - POLL), False),
    "a day is over": (replace(AT, examined_at=NOW - releases.EXAMINED), True),
    "its day is to come": (replace(AT, ends_at=NOW + POLL), False),
    "its day has come": (replace(AT, ends_at=NOW), True),
    "it was looked at on its day": (replace(AT, ends_at=NOW - 2 * POLL), False),
}


@pytest.mark.parametrize("case", GETS)
def test_a_get_is_made_where_something_suggests_it(case: str) -> None:
    known, wanted = GETS[case]
    assert releases.needs_examination(known, NOW) is wanted


def test_one_that_returns_needs_as_many_polls_and_a_get() -> None:
    assert releases.find_returning(FALLEN, NOW) is None
    assert releases.find_returning(LISTED_AGAIN, NOW) is None
    seen = releases.after_list(LISTED_AGAIN, ALL, NOW)
    back = releases.find_returning(seen, NOW)
    assert back is not None
    assert back.version == NEW
    risen = releases.give_back(seen, NEW, ACTIVE, NOW)
    assert _facts(risen) == (NEW, 8, ())
    assert (risen.examined_at, risen.announce) == (NOW, True)
    assert risen.news is not None
    assert risen.news.event is Event.RELEASE_RETURNED


def test_one_that_returns_with_its_last_day_says_so() -> None:
    day = NOW + timedelta(days=3)
    ends = Deprecation(state=OfferState.SCHEDULED, at=day)
    assert releases.give_back(FALLEN, NEW, ends, NOW).ends_at == day
    assert releases.give_back(replace(FALLEN, newest=None), NEW, ACTIVE, NOW).newest == NEW


def test_one_that_is_listed_and_not_offered_is_counted_anew() -> None:
    seen = releases.after_list(LISTED_AGAIN, ALL, NOW)
    assert releases.give_back(seen, NEW, DEPRECATED, NOW) == releases.stay_withdrawn(seen, NEW)
    assert releases.stay_withdrawn(seen, NEW).withdrawn[0].listed is None
    assert releases.stay_withdrawn(seen, OLD).withdrawn == seen.withdrawn


ADMIN = Actor(name="Admin", identity="user:1@2")


def test_secops_decides_for_the_newest_that_is_offered() -> None:
    seen = releases.accept(FALLEN, MID, ADMIN, "9.10 does not boot", NOW)
    assert releases.is_accepted(seen)
    assert seen.news is not None
    assert (seen.news.event, seen.news.actor, seen.announce) == (Event.RELEASE_ACCEPTED, "Admin", True)
    assert seen.accepted is not None
    assert seen.news.identity == seen.accepted.identity == ADMIN.identity
    assert seen.news.detail.endswith("instead: 9.10 does not boot")
    assert not releases.is_accepted(FALLEN)


def test_a_decision_ends_with_its_release() -> None:
    seen = releases.accept(FALLEN, MID, ADMIN, "", NOW)
    later = releases.after_list(seen, ALL | {MarketplaceVersion(9, 12, 1)}, NOW)
    assert later.accepted is None


REFUSED: dict[str, tuple[FollowedSource, MarketplaceVersion, str]] = {
    "another release": (FALLEN, OLD, "9.6.1"),
    "none is offered": (replace(FALLEN, newest=None), MID, "none is now"),
    "none was withdrawn": (AT, NEW, "this one has none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_decision_is_refused(case: str) -> None:
    known, release, words = REFUSED[case]
    with pytest.raises(InvalidValue, match=words):
        releases.accept(known, release, ADMIN, "", NOW)


@pytest.mark.parametrize(
    ("error_class", "message", "wanted"),
    [
        (ErrorClass.NOT_FOUND, "PlatformImageNotFound: the platform image is not available", True),
        (ErrorClass.NOT_FOUND, "ImageVersionDeprecated: the platform image is deprecated", True),
        (ErrorClass.TEMPLATE, "NotFound: Artifact: VMImage was not found.", True),
        (ErrorClass.NOT_FOUND, "ResourceGroupNotFound", False),
        (ErrorClass.PROVISIONER, "a script printed PlatformImageNotFound", False),
    ],
)
def test_a_failure_speaks_of_the_release(error_class: ErrorClass, message: str, wanted: bool) -> None:
    assert releases.speaks_of_release(error_class, message) is wanted


def _returning_beside(
    newer: int, look: Callable[[FollowedSource, MarketplaceVersion, datetime], FollowedSource]
) -> None:
    """One release returns beside `newer` ones, of which a GET gives what `look` says: it has its turn all the same."""
    versions = [MarketplaceVersion(9, 5 + number, 1) for number in range(newer + 1)]
    gone = tuple(
        WithdrawnRelease(version=each, since=NOW, by=WithdrawalReason.UNLISTED) for each in reversed(versions)
    )
    known = replace(AT, newest=OLD, withdrawn=gone)
    for poll in range(releases.LOOKS + newer + 1):
        now = NOW + poll * POLL
        known = releases.after_list(known, frozenset({OLD, *versions}), now)
        back = releases.find_returning(known, now)
        if back is not None and back.version == versions[0]:
            known = releases.give_back(known, back.version, ACTIVE, now)
        elif back is not None:
            known = look(known, back.version, now)
    assert known.newest == versions[0]
    assert {each.version for each in known.withdrawn} == set(versions[1:])


@pytest.mark.parametrize("newer", [0, 1, 2, 3, 6])
def test_deprecated_releases_that_stay_listed_keep_none_from_its_turn(newer: int) -> None:
    """A deprecated one is asked for by a GET, and begins its polls anew: with three of them one was always ready."""
    _returning_beside(newer, lambda known, version, now: releases.give_back(known, version, DEPRECATED, now))


@pytest.mark.parametrize("newer", [1, 2, 3, 6])
def test_releases_without_an_answer_keep_none_from_its_turn(newer: int) -> None:
    _returning_beside(newer, releases.come_last)


def test_a_release_without_an_answer_is_asked_about_by_the_next_poll() -> None:
    gone = WithdrawnRelease(version=MarketplaceVersion(9, 5, 1), since=NOW, by=WithdrawalReason.UNLISTED)
    known = replace(AT, newest=OLD, withdrawn=(gone,))
    for poll in range(releases.LOOKS):
        now = NOW + poll * POLL
        known = releases.after_list(known, frozenset({OLD, gone.version}), now)
    unanswered = releases.come_last(known, gone.version, now)
    later = now + POLL
    found = releases.find_returning(releases.after_list(unanswered, {OLD, gone.version}, later), later)
    assert found is not None
    assert found.version == gone.version


def test_what_is_not_returning_does_not_come_last() -> None:
    assert releases.come_last(AT, MarketplaceVersion(9, 5, 1), NOW) is AT


def test_a_refused_get_says_whether_it_is_deprecated() -> None:
    assert releases.refusal_of("404 ImageVersionDeprecated: it is deprecated") is WithdrawalReason.DEPRECATED
    assert releases.refusal_of("404 NotFound: VMImage was not found") is WithdrawalReason.ABSENT


# Any sequence of looks.

_VERSIONS = tuple(MarketplaceVersion(9, minor, 1) for minor in range(1, 6))
_LISTED = some.frozensets(some.sampled_from(_VERSIONS))
Look = Callable[[FollowedSource, datetime], FollowedSource]


def _list(listed: frozenset[MarketplaceVersion]) -> Look:
    return lambda known, now: releases.after_list(known, listed, now)


def _get(state: OfferState, listed: frozenset[MarketplaceVersion]) -> Look:
    return lambda known, now: releases.after_examination(known, Deprecation(state=state), listed, now)


def _return(known: FollowedSource, now: datetime) -> FollowedSource:
    back = releases.find_returning(known, now)
    return known if back is None else releases.give_back(known, back.version, ACTIVE, now)


LOOKS = some.lists(
    some.one_of(
        some.builds(_list, _LISTED),
        some.builds(_get, some.sampled_from(OfferState), _LISTED),
        some.just(_return),
    ),
    max_size=40,
)


@given(looks=LOOKS, minutes=some.integers(0, 20))
def test_after_any_looks(looks: list[Look], minutes: int) -> None:
    known = FollowedSource(source=SOURCE)
    for number, look in enumerate(looks):
        seen = look(known, NOW + number * timedelta(minutes=minutes))
        assert seen.revision in (known.revision, known.revision + 1)
        assert (seen.newest == known.newest) or seen.revision > known.revision
        if seen.newest is not None and known.newest is not None and seen.newest < known.newest:
            assert seen.find_withdrawn(known.newest) is not None
        assert all(seen.newest is None or each.version > seen.newest for each in seen.withdrawn)
        assert len({each.version for each in seen.withdrawn}) == len(seen.withdrawn)
        known = seen


@given(looks=some.lists(some.booleans(), max_size=60))
def test_a_list_that_flaps_withdraws_only_after_three_misses_in_a_row(looks: list[bool]) -> None:
    known, missed = AT, 0
    for number, has_it in enumerate(looks):
        known = releases.after_list(known, ALL if has_it else ALL - {NEW}, NOW + number * POLL)
        missed = 0 if has_it else missed + 1
        if missed >= releases.LOOKS:
            assert known.newest == MID
            return
        assert known.newest == NEW
