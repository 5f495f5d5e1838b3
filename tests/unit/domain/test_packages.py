"""RPM's order of versions: the cases that RPM documents for itself, and the laws of an order."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.packages import Package, parse_nevra, version_key

OLDER = [
    ("1.0", "2.0"),
    ("2.0", "2.0.1"),
    ("2.0.1", "2.0.1a"),
    ("5.5p1", "5.5p2"),
    ("5.5p1", "5.5p10"),
    ("10xyz", "10.1xyz"),
    ("xyz10", "xyz10.1"),
    ("xyz.4", "8"),
    ("xyz.4", "2"),
    ("5.5p2", "5.6p1"),
    ("5.6p1", "6.5p1"),
    ("6.0", "6.0.rc1"),
    ("10a2", "10b2"),
    ("10a1", "10b2"),
    ("1.0a", "1.0aa"),
    ("10.0001", "10.0039"),
    ("4.999.9", "5.0"),
    ("20101121", "20101122"),
    # the tilde: before everything, also before the end
    ("1.0~rc1", "1.0"),
    ("1.0~rc1", "1.0~rc2"),
    ("1.0~rc1~git123", "1.0~rc1"),
    ("1.0~~", "1.0~"),
    # the caret: just after the end, before everything else
    ("1.0", "1.0^"),
    ("1.0", "1.0^git1"),
    ("1.0^git1", "1.0^git2"),
    ("1.0^git1", "1.01"),
    ("1.0^20160101", "1.0.1"),
    ("1.0^20160101^git1", "1.0^20160102"),
    ("1.0~rc1", "1.0~rc1^git1"),
    ("1.0~rc1^git1", "1.0"),
    ("1.0^git1~pre", "1.0^git1"),
    ("9.9", "9.10"),
    ("1", "1" + "0" * 5000),
]
EQUAL = [
    ("1.0", "1.0"),
    ("10.0001", "10.1"),
    ("2_0", "2.0"),
    ("a+", "a_"),
    ("+a", "_a"),
    ("+_", "_+"),
    ("+", "_"),
    ("1.1.α", "1.1.ββ"),
    ("1.0~rc1~git123", "1.0~rc1~git123"),
    ("", "."),
    ("0", "000"),
]
TEXTS = st.text(alphabet="01a9zA.~^-_+α", max_size=12)


def rpmvercmp(one: str, other: str) -> int:
    """-1, 0 or 1, as RPM's function of this name gives it."""
    first, second = version_key(one), version_key(other)
    return (first > second) - (first < second)


@pytest.mark.parametrize(("older", "newer"), OLDER, ids=lambda text: text[:24])
def test_the_older_version_sorts_first(older: str, newer: str) -> None:
    assert (rpmvercmp(older, newer), rpmvercmp(newer, older)) == (-1, 1)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_versions_that_differ_in_separators_and_zeros_are_equal(one: str, other: str) -> None:
    assert (rpmvercmp(one, other), rpmvercmp(other, one)) == (0, 0)


@given(TEXTS, TEXTS, TEXTS)
def test_the_order_is_total(one: str, two: str, three: str) -> None:
    first, second, third = sorted((one, two, three), key=functools.cmp_to_key(rpmvercmp))
    assert rpmvercmp(first, second) <= 0
    assert rpmvercmp(second, third) <= 0
    assert rpmvercmp(first, third) <= 0
    assert rpmvercmp(one, two) == -rpmvercmp(two, one)


@given(TEXTS, TEXTS)
def test_the_keys_compare_as_a_walk_from_left_to_right_does(one: str, other: str) -> None:
    assert rpmvercmp(one, other) == _walk(one, other)


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_numbers_compare_as_numbers(one: int, other: int) -> None:
    assert rpmvercmp(f"1.{one}", f"1.{other}") == (one > other) - (one < other)


@given(TEXTS)
def test_a_pre_release_is_older_and_a_snapshot_is_newer(text: str) -> None:
    assert rpmvercmp(f"{text}~rc1", text) == -1
    assert rpmvercmp(text, f"{text}^git1") == -1


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"epoch": 0, "version": "9", "release": "9"}, {"epoch": 1, "version": "1", "release": "1"}),
        ({"version": "1.9", "release": "9"}, {"version": "1.10", "release": "1"}),
        ({"version": "1", "release": "9.el9"}, {"version": "1", "release": "10.el9"}),
    ],
    ids=["epoch", "version", "release"],
)
def test_epoch_goes_before_version_and_version_before_release(
    older: dict[str, object], newer: dict[str, object]
) -> None:
    assert _package(**older).order < _package(**newer).order


@pytest.mark.parametrize(
    ("text", "package"),
    [
        (
            "bash-5.1.8-9.el9.x86_64",
            {"name": "bash", "version": "5.1.8", "release": "9.el9", "arch": "x86_64"},
        ),
        (
            "openssl-libs-1:3.2.2-6.el9_5.1.x86_64",
            {
                "name": "openssl-libs",
                "epoch": 1,
                "version": "3.2.2",
                "release": "6.el9_5.1",
                "arch": "x86_64",
            },
        ),
        ("a-b-0:1-1.noarch", {"name": "a-b", "version": "1", "release": "1", "arch": "noarch"}),
    ],
)
def test_a_full_name_is_read_from_its_end(text: str, package: dict[str, object]) -> None:
    read = parse_nevra(text)
    assert read == Package(**package)  # type: ignore[arg-type]
    assert f"{read.name}-{read.evr}.{read.arch}".replace("0:", "") == text.replace("0:", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bash",
        "bash-5.1",
        "bash-5.1-1",
        "-5.1-1.x86_64",
        "bash--1.x86_64",
        "bash-x:1-1.noarch",
        "a-:1-1.b",
        "a-1:-1.b",
        "a-1-.b",
        "a-1-1.",
        "a-9999999999:1-1.b",
        "a-٣:1-1.b",
    ],
)
def test_what_is_not_a_full_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="NAME-"):
        parse_nevra(text)


def test_the_epoch_is_shown_where_there_is_one() -> None:
    assert _package(epoch=1).evr == "1:1-1"
    assert _package().evr == "1-1"


def test_a_key_is_made_without_converting_numbers() -> None:
    assert version_key("0" * 10_000 + "7") == version_key("7")


def _package(**facts: object) -> Package:
    return Package(**{"name": "a", "version": "1", "release": "1", **facts})  # type: ignore[arg-type]


def _walk(one: str, other: str) -> int:
    """RPM's comparison as its documentation tells it: segment by segment, written apart from the keys."""
    while True:
        one, other = _trimmed(one), _trimmed(other)
        heads = one[:1], other[:1]
        if heads in (("~", "~"), ("^", "^")):
            one, other = one[1:], other[1:]
            continue
        if "~" in heads:
            return -1 if heads[0] == "~" else 1
        if not (one and other):
            return bool(one) - bool(other)
        if "^" in heads:
            return -1 if heads[0] == "^" else 1
        left, right = _segment(one), _segment(other)
        if left[0].isdigit() is not right[0].isdigit():
            return 1 if left[0].isdigit() else -1
        if left[0].isdigit() and int(left) != int(right):
            return 1 if int(left) > int(right) else -1
        if not left[0].isdigit() and left != right:
            return 1 if left > right else -1
        one, other = one[len(left) :], other[len(right) :]


def _trimmed(text: str) -> str:
    while text and not (text[0].isascii() and text[0].isalnum()) and text[0] not in "~^":
        text = text[1:]
    return text


def _segment(text: str) -> str:
    length = 1
    while length < len(text) and text[length].isascii() and text[length].isalnum():
        if text[length].isdigit() is not text[0].isdigit():
            break
        length += 1
    return text[:length]
