"""Which range a header means, and what of a file it is."""

import pytest

from pipeline_core.domain.byte_ranges import ByteRange, FilePart, UnsatisfiableRange


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-3", (0, 4)),
        ("BYTES=4-", (4, 4)),
        ("bytes= 9-99 ", (9, 1)),
        ("bytes=0-", (0, 4)),
        ("bytes=-3", (7, 3)),
        ("bytes=-99", (0, 4)),
    ],
)
def test_a_range_is_cut_to_the_file_and_to_what_one_answer_has(text: str, part: tuple[int, int]) -> None:
    wanted = ByteRange.parse(text)
    assert wanted is not None
    assert wanted.within(10, most=4) == FilePart(first=part[0], length=part[1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=0-1,4-5",
        "lines=0-1",
        "bytes=a-b",
        f"bytes={'9' * 19}-",
    ],
)
def test_any_other_header_is_ignored(text: str) -> None:
    assert ByteRange.parse(text) is None


@pytest.mark.parametrize(
    ("text", "size"), [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=-5", 0)]
)
def test_a_range_outside_of_the_file_names_its_size(text: str, size: int) -> None:
    wanted = ByteRange.parse(text)
    assert wanted is not None
    with pytest.raises(UnsatisfiableRange, match=f"which has {size} bytes") as refused:
        wanted.within(size, most=4)
    assert refused.value.size == size
