"""The rules of a build's way: claims, slots, deliveries, the sweep and the reaper."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from pipeline_core.domain import leases, retry
from pipeline_core.domain.builds import Build
from pipeline_core.domain.leases import Judgement
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.domain.wanted import Answer, Wish
from pipeline_core.services.builds import containers
from pipeline_core.services.builds.captures import Captures
from pipeline_core.services.versions.turns import Turn, Turns
from simulation.sabotage import twins
from simulation.sabotage.shape import Sabotage, replaced


@contextlib.contextmanager
def _same_version() -> Iterator[None]:
    """Every attempt takes the version of the first attempt, and nobody looks at what is copied.

    Each of the two holds without the other: a version of another attempt is refused before its copy.
    """

    def last(major: int, day: object, known: GalleryVersion | None) -> GalleryVersion:
        return known or GalleryVersion(major, 20260101, 1)

    with replaced(containers, "next_version", last), replaced(Captures, "demand_made", _looks_away):
        yield


def _looks_away(_captures: Captures, _build: Build) -> None:
    return None


@contextlib.contextmanager
def _spares_nobody() -> Iterator[None]:
    """The reaper treats every build as ended."""

    def judge(tags: object, build: object, now: object) -> Judgement:
        return Judgement.LEASED if build is None else Judgement.ENDED

    with replaced(leases, "judge", judge):
        yield


@contextlib.contextmanager
def _includes_anything() -> Iterator[None]:
    """A build includes its version in latest without a check that it is the active build, and wanted as planned."""

    def demand_nothing(self: Turns, build: Build, live: object) -> Turn:
        stored = self.records.images.get_head(build.image)
        as_planned = replace(stored.value, pointer_revision=build.planned_on)
        return Turn(head=replace(stored, value=as_planned), answer=Answer(wish=Wish.ASKED))

    with replaced(Turns, "demand", demand_nothing):
        yield


@contextlib.contextmanager
def _soon_again() -> Iterator[None]:
    """A message is sent again after 5 to 10 seconds, however often it was already."""

    def soon(times: object, chance: float, *, retry_after: timedelta | None = None) -> timedelta:
        return (retry_after or timedelta(seconds=5)) * (1 + chance)

    with replaced(retry, "until_sent_again", soon):
        yield


RULES = (
    Sabotage(rule="claim", wrap=lambda ports: replace(ports, tables=twins.NoClaims())),
    Sabotage(rule="etag", wrap=lambda ports: replace(ports, tables=twins.NoEtags()), faults="races"),
    Sabotage(rule="sweep", change=twins.sweepless),
    Sabotage(rule="reaper", change=twins.reapless),
    Sabotage(rule="lease", change=twins.expired),
    Sabotage(rule="live-builds-spared", patch=_spares_nobody),
    Sabotage(rule="poison", change=twins.without_poison, images=3, slots=2),
    Sabotage(rule="rule-1-one-transaction", change=twins.torn),
    Sabotage(rule="rule-2-deletion-confirmed", change=twins.unconfirmed, slots=2),
    Sabotage(rule="rule-3-read-back", change=twins.unproven_conflicts, faults="answers", images=5, slots=2),
    Sabotage(rule="rule-5-own-version", patch=_same_version, faults="containers", images=6, slots=3),
    Sabotage(rule="rule-6-seq", change=twins.wordless, faults="races"),
    Sabotage(
        rule="rule-7-active-only",
        patch=_includes_anything,
        faults="races",
        directed="it needs a slow step of publishing and the reuse of a former version at the same moment",
    ),
    Sabotage(rule="rule-8-always-dispatch", change=twins.flagged),
    Sabotage(rule="rule-9-own-image", change=twins.deaf, faults="none"),
    Sabotage(rule="rule-10-transient-is-sent-again", change=twins.raising),
    Sabotage(
        rule="tables-down-poison-nothing", change=twins.raising, faults="none", chapters=("tables-down",)
    ),
    Sabotage(rule="messages-wait-longer", patch=_soon_again, faults="none", chapters=("tables-down",)),
)
