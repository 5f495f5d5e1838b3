"""Value types: what they accept, what they refuse, how they sort."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import names
from pipeline_core.domain.errors import ErrorClass, InvalidValue, Owner
from pipeline_core.domain.names import BuildId, Digest, Fingerprint, ImageName, build_id
from pipeline_core.domain.versions import INT32_MAX, GalleryVersion, MarketplaceVersion, newest, next_version


@pytest.mark.parametrize("text", ["a", "rhel9-base", "a" * 63, "a1-b2-c3"])
def test_an_image_name_is_kept_as_written(text: str) -> None:
    assert str(ImageName(text)) == text


@pytest.mark.parametrize(
    "text", ["", "A", "9a", "-a", "a-", "a--b", "a_b", "a" * 64, "a\n", "ä", "a/b", "a.b"]
)
def test_a_bad_image_name_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(InvalidValue, match="lower-case letters"):
        ImageName(text)


def test_names_of_different_kinds_are_never_equal() -> None:
    team: object = names.TeamName("a")
    digest: object = Digest("a" * 64)
    assert team != ImageName("a")
    assert digest != Fingerprint("a" * 64)


def test_a_build_id_says_its_image() -> None:
    identity = build_id(ImageName("payments-api"), Fingerprint("ab" * 32), 3)
    assert identity == BuildId("payments-api.abababababab.3")
    assert identity.image == ImageName("payments-api")


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("9.9.2025010100", "9.10.2025010100"),
        ("9.6.2025112113", "9.6.2025112114"),
        ("8.10.2026010100", "9.0.2022090613"),
        ("7.9.2022", "7.9.20230301107"),
    ],
)
def test_marketplace_versions_compare_as_numbers(lower: str, higher: str) -> None:
    assert MarketplaceVersion.parse(lower) < MarketplaceVersion.parse(higher)
    assert newest(
        [MarketplaceVersion.parse(higher), MarketplaceVersion.parse(lower)]
    ) == MarketplaceVersion.parse(higher)


def test_of_no_versions_there_is_no_newest() -> None:
    assert newest([]) is None


@pytest.mark.parametrize(
    "text", ["", "9", "9.6", "9.6.x", "latest", "9.6.1.2", "09.6.1", "9.6.-1", "9" * 65, "٩.1.1"]
)
def test_what_is_not_a_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        MarketplaceVersion.parse(text)
    with pytest.raises(InvalidValue):
        GalleryVersion.parse(text)


def test_a_gallery_version_is_bounded_to_32_bits() -> None:
    assert GalleryVersion.parse(f"9.1.{INT32_MAX}").sequence == INT32_MAX
    with pytest.raises(InvalidValue):
        GalleryVersion.parse(f"9.1.{INT32_MAX + 1}")


TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("major", "last", "expected"),
    [
        (9, None, "9.20261121.1"),
        (9, "9.20261120.7", "9.20261121.1"),
        (9, "9.20261121.1", "9.20261121.2"),
        (10, "9.20261121.4", "10.20261121.1"),
        (9, "9.20261201.3", "9.20261201.4"),
        (10, "9.20261201.3", "10.20261201.1"),
    ],
    ids=[
        "first",
        "a new day",
        "same day",
        "a new major",
        "the clock went back",
        "a new major when the clock went back",
    ],
)
def test_the_next_version_is_above_the_last(major: int, last: str | None, expected: str) -> None:
    known = None if last is None else GalleryVersion.parse(last)
    assert str(next_version(major, TODAY, known)) == expected


def test_a_lower_major_is_refused() -> None:
    with pytest.raises(InvalidValue, match="major of at least 10"):
        next_version(9, TODAY, GalleryVersion(10, 20261121, 1))


@given(
    st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)),
    st.builds(GalleryVersion, st.integers(0, 99), st.integers(0, 21000101), st.integers(0, 10_000)),
)
def test_a_version_always_rises(today: date, last: GalleryVersion) -> None:
    assert next_version(99, today, last) > last


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_every_error_class_has_an_owner_and_what_a_team_owns_is_permanent(error_class: ErrorClass) -> None:
    assert not (error_class.is_transient and error_class.owner is Owner.TEAM)
