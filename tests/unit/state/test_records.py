"""Rows: what is stored comes back as it went, and what this factory did not write is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline_core.adapters.limits import check_writes
from pipeline_core.domain import releases
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import (
    ErrorClass,
    ErrorScope,
    Owner,
    PermanentError,
    ScopeKind,
    UnreadableRow,
)
from pipeline_core.domain.images import ActiveBuild, ImageHead, RebuildRequest
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.names import Digest, RebuildToken
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.staleness import Platform
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state.reading.cells import TEXT_LIMIT
from pipeline_core.state.records import SCHEMA, Codec
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, NEW, NOW, OLD, SOURCE, TEAM

WANTED = make.desired(BASE, make.world(make.head()))
FULL_HEAD = replace(
    make.settled_chain()[1],
    registration=make.registration(
        CHILD,
        BASE,
        catalog=("falcon", "other"),
        on=frozenset({RebuildOn.PARENT}),
        window="Mon-Fri 06:00-20:00 Europe/Amsterdam",
        max_age=timedelta(days=30),
        suspend=True,
    ),
    active=ActiveBuild(build=make.build().id, fingerprint=make.build().fingerprint, phase=Phase.VERIFYING),
    period=2954,
    request=RebuildRequest(token=RebuildToken("t"), actor="me", at=NOW),
    failures=2,
    height=3,
)
WRITER_OF_BUILDS, READER_OF_BUILDS = Codec(Build), Codec(Build)
WRITER_OF_SOURCES, READER_OF_SOURCES = Codec(FollowedSource), Codec(FollowedSource)
VALUES: list[Any] = [
    make.head(),
    FULL_HEAD,
    make.build(),
    make.build(
        Phase.FINISHED,
        result=Result.FAILED,
        failure=Failure(error_class=ErrorClass.COMPLIANCE, message='"quotes" \u00e4 \u2028 \U0001f600'),
        build_result=Digest("a" * 64),
        verify_result=Digest("b" * 64),
        provenance=Digest("c" * 64),
        announce=True,
    ),
    make.build(
        Phase.FINISHED,
        result=Result.FAILED,
        failure=Failure(
            error_class=ErrorClass.MIRROR,
            message="m",
            owner=Owner.UPSTREAM,
            permanent=False,
            scope=ErrorScope(kind=ScopeKind.ENDPOINT, name="rhui.example.com"),
        ),
    ),
    make.claim_on(WANTED, Outcome.IN_FLIGHT),
    make.claim_on(
        WANTED, Outcome.SUCCEEDED, version=GalleryVersion(9, 20261121, 3), ended_at=NOW, detail="d"
    ),
    Entry(key=entry_key(NOW, "0"), image=BASE, at=NOW, event=Event.REUSED, actor="factory"),
    Entry(
        key=entry_key(NOW, "1"),
        image=BASE,
        at=NOW,
        event=Event.PUBLISHED,
        actor="me",
        build=make.build().id,
        version="9.20261121.1",
        reasons=("a", "b"),
        detail="d",
        campaign="c",
    ),
    RebuildRequest(token=RebuildToken("t"), actor="me", at=NOW),
    PendingBuild(key="0-99-x", build=make.build().id, team=TEAM),
    FollowedSource(source=SOURCE),
    FollowedSource(source=SOURCE, newest=NEW, announce=True),
    releases.accept(
        replace(
            releases.withdraw(
                FollowedSource(source=SOURCE, newest=NEW, looked_at=NOW, examined_at=NOW),
                NEW,
                releases.WithdrawalReason.ABSENT,
                frozenset({OLD, NEW}),
                NOW,
            ),
            missed=releases.Looks(count=1, since=NOW),
            silence=releases.Silence(looks=releases.Looks(count=2, since=NOW), why="nothing"),
            ends_at=NOW,
        ),
        OLD,
        Actor(name="Admin", identity="user:1@2"),
        "why",
        NOW,
    ),
    make.PLATFORM,
    Platform(digest=Digest("f" * 64), catalog={}, urls={}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_stored_type_comes_back_as_it_went(value: Any) -> None:
    row = Codec(type(value)).row("p", "k", value, etag="e")
    back = Codec(type(value)).read(row)  # another one: a codec remembers what it wrote
    assert back.value == value
    assert type(back.value) is type(value)
    assert back.etag == "e"


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_stored_type_is_one_cell_of_text_and_its_schema(value: Any) -> None:
    cells = Codec(type(value)).row("p", "k", value).cells
    assert set(cells) == {"schema", "value"}
    assert cells["schema"] == SCHEMA


def test_a_failure_of_a_row_without_owner_goes_by_its_class() -> None:
    build = make.build(Phase.FINISHED, failure=Failure(error_class=ErrorClass.SMOKE, message="m"))
    row = WRITER_OF_BUILDS.row("p", "k", build)
    value = json.loads(str(row.cells["value"]))
    value["failure"] = {"error_class": "smoke", "message": "m"}
    old = replace(row, cells={**row.cells, "value": json.dumps(value)})
    failure = READER_OF_BUILDS.read(old).value.failure
    assert failure is not None
    assert (failure.who, failure.stays, failure.scope) == (Owner.TEAM, True, None)


@settings(deadline=None)
@given(
    version=some.none() | some.builds(GalleryVersion, *[some.integers(0, 2**31 - 1)] * 3),
    message=some.text(max_size=300),
    seq=some.integers(0, 10**6),
    phase=some.sampled_from(Phase),
    at=some.datetimes(min_value=datetime(2000, 1, 1), timezones=some.just(UTC)),  # noqa: DTZ001 - naive bounds
)
def test_a_build_of_any_content_comes_back_as_it_went(
    version: GalleryVersion | None, message: str, seq: int, phase: Phase, at: datetime
) -> None:
    failure = Failure(error_class=ErrorClass.SMOKE, message=message)
    build = make.build(phase, version=version, failure=failure, seq=seq, created_at=at, phase_since=at)
    assert READER_OF_BUILDS.read(WRITER_OF_BUILDS.row("p", "k", build)).value == build


@settings(deadline=None)
@given(versions=some.builds(MarketplaceVersion, *[some.integers(0, 10**13)] * 3))
def test_a_source_at_any_version_comes_back_as_it_went(versions: MarketplaceVersion) -> None:
    followed = FollowedSource(source=SOURCE, newest=versions)
    assert READER_OF_SOURCES.read(WRITER_OF_SOURCES.row("p", "k", followed)).value == followed


@pytest.mark.parametrize(
    "cells",
    [
        {},
        {"schema": SCHEMA},
        {"value": "{}"},
        {"schema": SCHEMA + 1, "value": "{}"},
        {"schema": str(SCHEMA), "value": "{}"},
        {"schema": SCHEMA, "value": 7},
        {"schema": SCHEMA, "value": "{}"},
        {"schema": SCHEMA, "value": "no json"},
        {"schema": SCHEMA, "value": '{"image": "No Name"}'},
    ],
)
def test_a_row_that_this_factory_did_not_write_is_refused_and_named(cells: dict[str, Any]) -> None:
    row = Row(partition="rhel9-base", key="claim:x", cells=cells)
    with pytest.raises(PermanentError, match="rhel9-base/claim:x"):
        Codec(Claim).read(row)


def test_the_row_of_another_schema_is_refused_even_where_its_value_is_whole() -> None:
    codec = Codec(Claim)
    claim = make.claim_on(WANTED, Outcome.FAILED)
    row = codec.row("p", "k", claim)
    other = replace(row, cells={**row.cells, "schema": SCHEMA + 1})
    with pytest.raises(
        UnreadableRow, match=f"schema {SCHEMA + 1} of Claim, and this release reads up to {SCHEMA}"
    ):
        codec.read(other)


def test_the_row_of_another_type_is_refused() -> None:
    row = Codec(PendingBuild).row("p", "k", PendingBuild(key="k", build=make.build().id, team=TEAM))
    with pytest.raises(PermanentError, match="not of type ImageHead"):
        Codec(ImageHead).read(row)


@pytest.mark.parametrize("letter", ["x", "\u20ac", "\U0001f600"])
@pytest.mark.parametrize("length", [1, 15_900, 31_990, 32_000, 64_000, 200_000])
def test_a_long_value_takes_several_cells_and_comes_back(letter: str, length: int) -> None:
    entry = Entry(key="k", image=BASE, at=NOW, event=Event.FAILED, actor="factory", detail=letter * length)
    row = Codec(Entry).row("p", "k", entry)
    check_writes("t", [TableWrite(verb=WriteKind.INSERT, row=row)])
    assert Codec(Entry).read(row).value == entry


def test_a_value_that_does_not_fit_into_a_row_is_refused_before_it_is_sent() -> None:
    codec = Codec(Entry)
    entry = Entry(key="k", image=BASE, at=NOW, event=Event.FAILED, actor="factory", detail="x")
    room = TEXT_LIMIT - len(str(codec.row("p", "k", entry).cells["value"]))
    fits = replace(entry, detail="x" * (room + 1))
    row = codec.row("p", "k", fits)
    assert Codec(Entry).read(row).value == fits
    check_writes("t", [TableWrite(verb=WriteKind.INSERT, row=row)])
    with pytest.raises(PermanentError, match=f"Entry p/k has {TEXT_LIMIT + 1} characters"):
        codec.row("p", "k", replace(entry, detail="x" * (room + 2)))


def test_a_write_without_an_etag_inserts_and_one_with_it_replaces() -> None:
    codec = Codec(FollowedSource)
    value = FollowedSource(source=SOURCE, newest=OLD)
    insert, replaced = codec.write("p", "k", value, etag=None), codec.write("p", "k", value, etag="e")
    assert (insert.verb, insert.row.etag) == (WriteKind.INSERT, "")
    assert (replaced.verb, replaced.row.etag) == (WriteKind.REPLACE, "e")
