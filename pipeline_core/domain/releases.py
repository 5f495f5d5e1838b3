"""What is known about the releases of a followed source, and which of them images are to be built from. Pure.

A release is withdrawn when several polls in a row do not list it, when its publisher has deprecated it, or when a
GET of it answers 404. One that returns needs as many polls and a GET that says so. What was built from a withdrawn
release stays. An empty list says nothing about a single release: then the source is silent, and nothing is withdrawn.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique
from operator import itemgetter

from pipeline_core.domain.actors import Actor
from pipeline_core.domain.errors import ErrorClass, InvalidValue
from pipeline_core.domain.journal import Event
from pipeline_core.domain.source_images import Deprecation, OfferState
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion, newest

LOOKS = 3  # polls in a row that must agree before a release is taken as withdrawn, or as offered again
# They must also span this time, because a registration asks at once and not by the timer: two polls of the default
# schedule are five minutes apart. A minute less, since a timer may be late at the first and punctual at the last.
SPAN = timedelta(minutes=9)
EXAMINED = timedelta(days=1)  # between two GETs of the newest release, which tell of a deprecation to come
# How long an image that was built from a withdrawn release waits for SecOps' decision, at most: until there is a
# freshness budget. An image with a shorter `maxAge` waits no longer than that.
PATIENCE = timedelta(days=7)
_KEPT = 8  # withdrawn releases of one source
# What Azure says where a machine was to be made from a release that is not offered: `PlatformImageNotFound`
# (hashicorp/packer#10600), `ImageVersionDeprecated` (Orange-Cyberdefense/GOAD#248), and the Marketplace's own words.
GONE = ("PlatformImageNotFound", "ImageVersionDeprecated", "VMImage was not found")
_DEPRECATED = "ImageVersionDeprecated"


@unique
class WithdrawalReason(Enum):
    """How the factory knows that a release is withdrawn. As text, it is for a person, after the version."""

    UNLISTED = "unlisted"  # several polls in a row did not list it
    DEPRECATED = "deprecated"  # its publisher says so
    ABSENT = "absent"  # a GET of it answered 404

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS = {
    WithdrawalReason.UNLISTED: "is no longer listed",
    WithdrawalReason.DEPRECATED: "is deprecated by its publisher",
    WithdrawalReason.ABSENT: "is no longer offered",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How many looks in a row gave the same answer, and when the first of them was."""

    count: int
    since: datetime

    def are_enough(self, now: datetime) -> bool:
        """True where the answer is to be believed."""
        return self.count >= LOOKS and self.since + SPAN <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawnRelease:
    """A release that no build is started from. `listed` counts the polls in a row that list it again."""

    version: MarketplaceVersion
    since: datetime
    by: WithdrawalReason
    listed: Looks | None = None

    @property
    def message(self) -> str:
        """Why it is withdrawn, for a person, after the version."""
        return str(self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The Marketplace gives nothing for a source: an empty list, or a refusal. `why` is for a person."""

    looks: Looks
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRelease:
    """SecOps' decision that images step down to this release, although they were built from a newer one."""

    version: MarketplaceVersion
    actor: str
    at: datetime
    reason: str = ""
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """A change of the source that the journal of each of its images has to name."""

    event: Event
    at: datetime
    actor: str
    detail: str
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedSource:
    """A source that some root is built from. `announce` is true until its roots were notified of the last change.

    `newest` is the newest release that is offered, None where none is known. It may fall; `revision` only rises.
    `missed` counts polls in a row that do not list `newest`. `ends_at` is the day from which its publisher offers
    it no longer. Fields with a default are absent in rows of older releases. Times are aware UTC.
    """

    source: MarketplaceSource
    newest: MarketplaceVersion | None = None
    announce: bool = False
    revision: int = 0
    looked_at: datetime | None = None
    missed: Looks | None = None
    silence: Silence | None = None
    withdrawn: tuple[WithdrawnRelease, ...] = ()
    examined_at: datetime | None = None
    ends_at: datetime | None = None
    accepted: AcceptedRelease | None = None
    news: SourceChange | None = None

    def find_withdrawn(self, version: MarketplaceVersion) -> WithdrawnRelease | None:
        """The record of a withdrawn release, or None."""
        return next((each for each in self.withdrawn if each.version == version), None)

    @property
    def last_withdrawn(self) -> WithdrawnRelease | None:
        """The newest withdrawn release, which is newer than `newest`; None where none is withdrawn."""
        return max(self.withdrawn, key=lambda each: each.version, default=None)

    @property
    def is_silent(self) -> bool:
        """True where the Marketplace has given nothing for long enough to say so."""
        return (
            self.silence is not None
            and self.looked_at is not None
            and (self.silence.looks.are_enough(self.looked_at))
        )


def after_list(
    known: FollowedSource, listed: AbstractSet[MarketplaceVersion], now: datetime
) -> FollowedSource:
    """The source after a list of its versions."""
    if not listed:
        return after_silence(known, "the Marketplace lists no version of it", now)
    seen = replace(known, looked_at=now, silence=None, withdrawn=_counted(known.withdrawn, listed, now))
    top = newest(version for version in listed if seen.find_withdrawn(version) is None)
    if known.newest is None or known.newest in listed or (top is not None and top > known.newest):
        return _at(replace(seen, missed=None), top)
    missed = _again(known.missed, now)
    seen = replace(seen, missed=missed)
    if not missed.are_enough(now):
        return seen
    return withdraw(seen, known.newest, WithdrawalReason.UNLISTED, listed, now)


def after_silence(known: FollowedSource, why: str, now: datetime) -> FollowedSource:
    """The source after an answer that names no version. It withdraws nothing, and is announced once when it lasts."""
    looks = _again(None if known.silence is None else known.silence.looks, now)
    seen = replace(known, looked_at=now, silence=Silence(looks=looks, why=why))
    if not seen.is_silent or seen.announce or _is_told(seen.news, looks):
        return seen
    detail = f"no version of {seen.source.key} is seen since {looks.since:%Y-%m-%d %H:%M} UTC: {why}"
    news = SourceChange(event=Event.SOURCE_SILENT, at=now, actor="factory", detail=detail)
    return replace(seen, announce=True, news=news)


def _is_told(news: SourceChange | None, looks: Looks) -> bool:
    return news is not None and news.event is Event.SOURCE_SILENT and news.at >= looks.since


def after_examination(
    known: FollowedSource, deprecation: Deprecation, listed: AbstractSet[MarketplaceVersion], now: datetime
) -> FollowedSource:
    """The source after a GET of `newest` that found it."""
    if known.newest is not None and deprecation.state is OfferState.DEPRECATED:
        return withdraw(known, known.newest, WithdrawalReason.DEPRECATED, listed, now)
    ends_at = deprecation.at if deprecation.state is OfferState.SCHEDULED else None
    return replace(known, examined_at=now, ends_at=ends_at)


def needs_examination(known: FollowedSource, now: datetime) -> bool:
    """True where something suggests a GET of `newest`: it is new, it was missed, its day has come, or a day is over."""
    if known.newest is None:
        return False
    if known.examined_at is None or (known.missed is not None and known.missed.since >= known.examined_at):
        return True
    if known.ends_at is not None and known.examined_at < known.ends_at <= now:
        return True
    return known.examined_at + EXAMINED <= now


def find_returning(known: FollowedSource, now: datetime) -> WithdrawnRelease | None:
    """The withdrawn release that polls list again for longest, the newest of several; None where too few polls do.

    A GET must say that it is offered. One that is listed but deprecated is counted anew after its GET, and one whose
    GET had no answer comes last: neither keeps another release from its turn.
    """
    back = [
        (each.listed.since, each)
        for each in sorted(known.withdrawn, key=lambda each: each.version, reverse=True)
        if each.listed is not None and each.listed.are_enough(now)
    ]
    return min(back, key=itemgetter(0), default=(now, None))[1]


def withdraw(
    known: FollowedSource,
    version: MarketplaceVersion,
    by: WithdrawalReason,
    listed: AbstractSet[MarketplaceVersion],
    now: datetime,
) -> FollowedSource:
    """The source without this release: the newest of the others that are listed takes its place, if there is one."""
    since = known.missed.since if known.missed is not None and version == known.newest else now
    gone = WithdrawnRelease(version=version, since=since, by=by)
    kept = [each for each in known.withdrawn if each.version != version]
    withdrawn = tuple(sorted([gone, *kept], key=lambda each: each.version, reverse=True)[:_KEPT])
    seen = replace(known, withdrawn=withdrawn, missed=None)
    top = newest(each for each in listed if seen.find_withdrawn(each) is None)
    fallen = _at(seen, top)
    detail = (
        f"{known.source.urn(version)} {by} since {since:%Y-%m-%d %H:%M} UTC; {_instead(known.source, top)}"
    )
    news = SourceChange(event=Event.RELEASE_WITHDRAWN, at=now, actor="factory", detail=detail)
    return replace(fallen, announce=True, news=news)


def give_back(
    known: FollowedSource, version: MarketplaceVersion, deprecation: Deprecation, now: datetime
) -> FollowedSource:
    """The source after a GET of a withdrawn release that is listed again. A deprecated one stays withdrawn."""
    if deprecation.state is OfferState.DEPRECATED:
        return stay_withdrawn(known, version)
    kept = tuple(each for each in known.withdrawn if each.version != version)
    top = newest(each for each in (version, known.newest) if each is not None)
    detail = f"{known.source.urn(version)} is offered again since {now:%Y-%m-%d %H:%M} UTC"
    news = SourceChange(event=Event.RELEASE_RETURNED, at=now, actor="factory", detail=detail)
    risen = _at(replace(known, withdrawn=kept), top)
    ends_at = deprecation.at if deprecation.state is OfferState.SCHEDULED else None
    return replace(risen, examined_at=now, ends_at=ends_at, announce=True, news=news)


def stay_withdrawn(known: FollowedSource, version: MarketplaceVersion) -> FollowedSource:
    """The source after a GET that did not find a release although it is listed: its polls are counted anew."""
    still = tuple(replace(each, listed=None) if each.version == version else each for each in known.withdrawn)
    return replace(known, withdrawn=still)


def come_last(known: FollowedSource, version: MarketplaceVersion, now: datetime) -> FollowedSource:
    """The source after a GET of a returning release that had no answer: others that return are asked about first.

    Its polls stay enough, so that the next one asks again. Only the moment that gives the order is moved.
    """
    looked = known.find_withdrawn(version)
    if looked is None or looked.listed is None:
        return known
    later = replace(looked, listed=replace(looked.listed, since=max(looked.listed.since, now - SPAN)))
    return replace(
        known, withdrawn=tuple(later if each.version == version else each for each in known.withdrawn)
    )


def accept(
    known: FollowedSource, version: MarketplaceVersion, actor: Actor, reason: str, now: datetime
) -> FollowedSource:
    """The source with SecOps' decision for the newest offered release. Raises InvalidValue where it is not needed."""
    if known.newest is None or known.newest != version:
        offered = (
            "a release that is offered; none is now"
            if known.newest is None
            else f"the newest release that is offered, {known.newest}"
        )
        raise InvalidValue("a release to accept", str(version), offered)
    last = known.last_withdrawn
    if last is None:
        raise InvalidValue(
            "a release to accept", str(version), "one of a source with a withdrawn release; this one has none"
        )
    accepted = AcceptedRelease(
        version=version, actor=actor.name, identity=actor.identity, at=now, reason=reason
    )
    detail = f"{known.source.urn(last.version)} {last.by}; {actor.name} accepts {known.source.urn(version)} instead"
    news = SourceChange(
        event=Event.RELEASE_ACCEPTED,
        at=now,
        actor=actor.name,
        identity=actor.identity,
        detail=f"{detail}: {reason}",
    )
    return replace(known, accepted=accepted, announce=True, news=news)


def is_accepted(known: FollowedSource) -> bool:
    """True where SecOps has decided for the release that is the newest one now."""
    return known.accepted is not None and known.accepted.version == known.newest


def speaks_of_release(error_class: ErrorClass, message: str) -> bool:
    """True where a failure says that the Marketplace did not offer the release that was to be built from."""
    is_cause = error_class in (ErrorClass.NOT_FOUND, ErrorClass.TEMPLATE)
    return is_cause and any(words in message for words in GONE)


def refusal_of(message: str) -> WithdrawalReason:
    """What a refused GET of a release says about it."""
    return WithdrawalReason.DEPRECATED if _DEPRECATED in message else WithdrawalReason.ABSENT


def _at(known: FollowedSource, top: MarketplaceVersion | None) -> FollowedSource:
    """The source at another newest release. Withdrawn ones that are older mean nothing any more."""
    if top == known.newest:
        return known
    kept = tuple(each for each in known.withdrawn if top is None or each.version > top)
    return replace(
        known,
        newest=top,
        revision=known.revision + 1,
        withdrawn=kept,
        announce=True,
        news=None,
        examined_at=None,
        ends_at=None,
        accepted=None,
    )


def _counted(
    withdrawn: tuple[WithdrawnRelease, ...], listed: AbstractSet[MarketplaceVersion], now: datetime
) -> tuple[WithdrawnRelease, ...]:
    return tuple(
        replace(each, listed=_again(each.listed, now) if each.version in listed else None)
        for each in withdrawn
    )


def _again(looks: Looks | None, now: datetime) -> Looks:
    return Looks(count=1, since=now) if looks is None else replace(looks, count=looks.count + 1)


def _instead(source: MarketplaceSource, top: MarketplaceVersion | None) -> str:
    return (
        "no other release is offered" if top is None else f"the newest that is offered is {source.urn(top)}"
    )
