"""A text whose value is known is not decoded again, but only where nobody could change what others hold."""

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from pipeline_core.domain.builds import Build
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.images import ImageHead, RebuildRequest
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.names import Digest, RebuildToken
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.staleness import Platform
from pipeline_core.state import records
from pipeline_core.state.records import Codec, _can_change
from tests.unit.domain import factories as make

Value = TypeVar("Value")


def test_a_frozen_value_is_decoded_once() -> None:
    row, reader = Codec(ImageHead).row("image", "head", make.head()), Codec(ImageHead)
    assert reader.read(row).value == make.head()
    assert reader.read(row).value is reader.read(row).value


def test_who_reads_what_he_wrote_gets_the_same_value() -> None:
    codec, head = Codec(ImageHead), make.head()
    assert codec.read(codec.row("image", "head", head)).value is head


def test_a_codec_keeps_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_KEPT", 2)
    codec, request = Codec(RebuildRequest), RebuildRequest(token=RebuildToken("t"), actor="a", at=make.NOW)
    rows = [codec.row("p", "k", replace(request, actor=actor)) for actor in "abc"]
    kept = [replace(request, actor=actor) for actor in "abc"]
    assert [codec.read(row).value for row in rows] == kept
    assert len(codec._known) == 2


def test_a_value_with_a_mapping_is_decoded_for_each_reader() -> None:
    codec = Codec(Platform)
    row = codec.row("platform", "current", Platform(digest=Digest("a" * 64), urls={"tool": "https://a"}))
    first, second = codec.read(row).value, codec.read(row).value
    assert first == second
    assert first.urls is not second.urls


def test_every_record_but_the_platform_may_be_shared() -> None:
    frozen = (ImageHead, Build, Claim, Entry, RebuildRequest, PendingBuild, FollowedSource)
    assert [record.__name__ for record in frozen if _can_change(record)] == []
    assert _can_change(Platform)


def test_what_can_be_changed_is_found_at_any_depth() -> None:
    assert _can_change(tuple[int, list[str]])
    assert _can_change(set[int])
    assert not _can_change(tuple[frozenset[str], timedelta | None])


def _note_encoded(codec: Codec[Value], monkeypatch: pytest.MonkeyPatch) -> list[Value]:
    encoded: list[Value] = []
    encode = codec._adapter.dump_json

    def note(value: Value) -> bytes:
        encoded.append(value)
        return encode(value)

    monkeypatch.setattr(codec._adapter, "dump_json", note)
    return encoded


def test_a_row_of_this_release_is_not_encoded_again_when_it_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codec, head = Codec(ImageHead), make.head()
    read = codec.read(replace(codec.row("image", "head", head), etag="1"))
    encoded = _note_encoded(codec, monkeypatch)
    changed = replace(head, failures=3)
    row = codec.row("image", "head", changed, etag=read.etag)
    assert encoded == [changed]
    assert Codec(ImageHead).read(row).value == changed


def test_a_row_that_another_process_wrote_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # A value without a set: two processes write the members of one in an order of their own.
    asked = RebuildRequest(token=RebuildToken("t"), actor="a", at=make.NOW)
    written, codec = Codec(RebuildRequest).row("image", "request", asked), Codec(RebuildRequest)
    read = codec.read(replace(written, etag="1"))
    codec.row("image", "request", read.value, etag=read.etag)
    encoded = _note_encoded(codec, monkeypatch)
    changed = replace(read.value, actor="b")
    codec.row("image", "request", changed, etag=read.etag)
    assert encoded == [changed]
