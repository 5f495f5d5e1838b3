"""Versions are numbers: their order, their text and their bounds."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.versions import INT32_MAX, GalleryVersion, MarketplaceVersion, newest, next_version

PARTS = st.integers(0, INT32_MAX)
LONG = st.integers(0, 10**15)  # a Marketplace release is not bounded to 32 bits
GALLERY = st.builds(GalleryVersion, PARTS, PARTS, PARTS)
MARKETPLACE = st.builds(MarketplaceVersion, LONG, LONG, LONG)
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


@given(GALLERY, GALLERY)
def test_gallery_versions_sort_as_their_numbers_do_and_not_as_their_texts(
    one: GalleryVersion, other: GalleryVersion
) -> None:
    numbers = [tuple(int(part) for part in str(each).split(".")) for each in (one, other)]
    assert (one < other) is (numbers[0] < numbers[1])
    assert (one == other) is (numbers[0] == numbers[1])


@given(st.lists(MARKETPLACE, min_size=1))
def test_the_newest_marketplace_version_is_the_highest_number(versions: list[MarketplaceVersion]) -> None:
    found = newest(versions)
    assert found is not None
    assert str(found) == max(
        map(str, versions), key=lambda text: tuple(int(part) for part in text.split("."))
    )


@given(GALLERY)
def test_a_gallery_version_is_read_as_it_is_written(version: GalleryVersion) -> None:
    assert GalleryVersion.parse(str(version)) == version


@given(MARKETPLACE)
def test_a_marketplace_version_is_read_as_it_is_written(version: MarketplaceVersion) -> None:
    assert MarketplaceVersion.parse(str(version)) == version


@given(st.integers(0, 2), st.integers(INT32_MAX + 1, 10**12))
def test_no_part_of_a_gallery_version_is_above_32_bits(place: int, high: int) -> None:
    parts = [9, 20261121, 1]
    parts[place] = high
    with pytest.raises(InvalidValue, match="2147483647"):
        GalleryVersion(*parts)
    with pytest.raises(InvalidValue, match="2147483647"):
        GalleryVersion.parse(".".join(map(str, parts)))


@given(st.integers(0, 2), st.integers(-(10**12), -1))
def test_no_part_of_a_gallery_version_is_below_zero(place: int, low: int) -> None:
    parts = [9, 20261121, 1]
    parts[place] = low
    with pytest.raises(InvalidValue):
        GalleryVersion(*parts)


@given(st.lists(st.tuples(DAYS, st.integers(0, 3)), min_size=1, max_size=40))
def test_allotted_versions_rise_whatever_the_clock_says(days: list[tuple[date, int]]) -> None:
    last: GalleryVersion | None = None
    major = 9
    for today, step in days:
        major += step
        following = next_version(major, today, last)
        assert last is None or (following > last and following.day >= last.day)
        assert following.major == major
        assert following.sequence >= 1
        last = following


@given(GALLERY, DAYS)
def test_the_next_version_is_the_first_of_its_day_or_the_one_after_the_last(
    last: GalleryVersion, today: date
) -> None:
    fresh = GalleryVersion(last.major, int(f"{today:%Y%m%d}"), 1)
    if last < fresh:
        assert next_version(last.major, today, last) == fresh
    elif last.sequence == INT32_MAX:
        with pytest.raises(InvalidValue):
            next_version(last.major, today, last)
    else:
        assert next_version(last.major, today, last) == GalleryVersion(
            last.major, last.day, last.sequence + 1
        )
