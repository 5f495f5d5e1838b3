"""Entries of the recovery log: names sort the newest first, and what no version of ours wrote is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.domain.names import Digest
from pipeline_core.domain.staleness import Platform
from pipeline_core.wire.recovery_log import ImageEntry, PlatformEntry, Published, RebuildRequestEntry

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SHA = "0123456789abcdef" * 4
_steps = st.tuples(st.integers(0, 10_000), st.integers(0, 10**9), st.integers(0, 10**9))


def _entry(revision: int = 1, published: int = 0, requested: int = 0) -> ImageEntry:
    """At so many microseconds; 0 means never."""
    at = timedelta(microseconds=1)
    return ImageEntry(
        image="app",
        revision=revision,
        definition=SHA,
        gallery="live",
        registered_at=NOW,
        current=Published(version="9.20261121.1", lane=1, at=NOW + at * published) if published else None,
        request=RebuildRequestEntry(token="t", actor="a", at=NOW + at * requested) if requested else None,
    )


@given(first=_steps, second=_steps)
def test_what_came_later_sorts_earlier(first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
    names = _entry(*first).name, _entry(*second).name
    assert (names[0] < names[1]) is (first > second)
    assert (names[0] == names[1]) is (first == second)


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = _entry(3, 5, 7)
    assert ImageEntry.from_wire(entry.to_wire()) == entry
    assert b"taken_out" not in entry.to_wire()  # older releases refuse a field that they do not know
    taken = entry.model_copy(update={"taken_out": ("9.20261121.2",)})
    assert ImageEntry.from_wire(taken.to_wire()) == taken
    platform = Platform(
        digest=Digest(SHA),
        catalog={"falcon": ("falcon", "7.18.0", SHA)},
        urls={"falcon": "https://a.example"},
    )
    told = PlatformEntry.of(platform, 4)
    assert PlatformEntry.from_wire(told.to_wire()).to_domain() == platform
    assert told.name > PlatformEntry.of(platform, 5).name


@pytest.mark.parametrize(
    "changes",
    [
        {"taken_out": ("newest",)},
        {"image": "../etc"},
        {"image": ""},
        {"definition": None},
        {"gallery": None},
        {"gallery": "no gallery"},
        {"last_version": "9.1"},
        {"current": {"version": "x", "lane": 1, "at": "2026-11-21T09:00:00Z"}},
        {"current": {"version": "9.1.1", "lane": 9, "at": "2026-11-21T09:00:00Z"}},
        {"request": {"token": "a b", "actor": "a", "at": "2026-11-21T09:00:00Z"}},
        {"revision": -1},
        {"schema_version": 2},
        {"colour": "red"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values()))[:40],
)
def test_an_entry_that_is_none_of_ours_is_refused(changes: dict[str, object]) -> None:
    content = _entry().model_copy(update=changes).model_dump_json(warnings=False)
    with pytest.raises(MalformedMessage):
        ImageEntry.from_wire(content.encode() if "colour" not in changes else b'{"colour": "red"}')


@pytest.mark.parametrize("content", [b"", b"[]", b'{"digest": "x"}', b"\xff"])
def test_a_platform_that_is_none_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        PlatformEntry.from_wire(content)
