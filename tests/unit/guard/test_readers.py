"""The guard, Python's tarfile and GNU tar see the same files in every archive that the guard takes."""

import gzip
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.guard import bundles
from tests import optional_tools
from tests.unit.guard.archives import FORMS
from tests.unit.guard.raw_tar import (
    END,
    file,
    header,
    padded,
    pax,
    record,
    seen_by_gnu_tar,
    seen_by_guard,
    seen_by_tarfile,
)

HIDDEN = file(b"inner.sh", b"evil")
GOOD = file(b"good", b"x")
# What a reader could see otherwise: the archive, the member that is named, and the reason.
ATTACKS: dict[str, tuple[bytes, str, str]] = {
    "a folder's name in a header with the type of a file": (
        pax((b"path", b"scripts/run.sh")) + file(b"x/", HIDDEN, kind=b"\0"),
        "member 2",
        "is a file whose header has the name of a folder",
    ),
    "the same with type 0": (
        pax((b"path", b"scripts/run.sh")) + file(b"x/", HIDDEN),
        "member 2",
        "is a file whose header has the name of a folder",
    ),
    "an empty name in a pax header": (
        pax((b"path", b"")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header with an empty name",
    ),
    "atime=nan": (
        pax((b"atime", b"nan")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header whose atime is not a plain number of seconds",
    ),
    "mtime=../x": (
        pax((b"mtime", b"../x")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header whose mtime is not a plain number of seconds",
    ),
    "mtime of 300 digits": (
        pax((b"mtime", b"1" * 300)) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header whose mtime is not a plain number of seconds",
    ),
    "an empty ctime": (
        pax((b"ctime", b"")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header whose ctime is not a plain number of seconds",
    ),
    "a time twice": (
        pax((b"mtime", b"1"), (b"mtime", b"2")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header with two values of mtime",
    ),
    "two names": (
        pax((b"path", b"a"), (b"path", b"b")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header with two values of path",
    ),
    "a pax header without a member": (
        GOOD + pax((b"path", b"a")),
        "member 2",
        "is a pax header without a member",
    ),
    "two pax headers without a name": (
        pax((b"mtime", b"1")) + pax((b"path", b"a")) + GOOD,
        "member 2 ('PaxHeaders/x')",
        "is a second pax header for one member",
    ),
    "a mode of spaces": (
        header(b"good", fields={100: b" " * 8}),
        "member 1",
        "has a mode that is not octal",
    ),
    "a size in base 256": (
        header(b"good", fields={124: b"\x80" + bytes(10) + b"\x01"}) + padded(b"x"),
        "member 1",
        "has a size that is not octal",
    ),
    "a negative time in base 256": (
        header(b"good", fields={136: b"\xff" * 12}),
        "member 1",
        "has a mtime that is not octal",
    ),
    "a folder with content": (
        header(b"a/", kind=b"5", size=512) + HIDDEN[:512],
        "a/",
        "is a folder with content",
    ),
    "a size in a pax header": (
        pax((b"size", b"0")) + file(b"good", HIDDEN),
        "member 1 ('PaxHeaders/x')",
        "has a pax header with 'size', which is not allowed",
    ),
    "another charset": (
        pax((b"hdrcharset", b"BINARY"), (b"path", b"\xff")) + GOOD,
        "member 1 ('PaxHeaders/x')",
        "has a pax header with 'hdrcharset', which is not allowed",
    ),
}


@pytest.mark.parametrize(("tar", "place", "why"), ATTACKS.values(), ids=ATTACKS.keys())
def test_what_readers_see_differently_is_refused_with_member_and_reason(
    tar: bytes, place: str, why: str
) -> None:
    first, *_ = bundles.check_bundle(gzip.compress(tar + END), FORMS)
    assert (first.place, first.message) == (place, why)
    assert len(str(first).splitlines()) == 1


def test_a_tar_that_ends_within_a_block_is_refused() -> None:
    (finding,) = bundles.check_bundle(gzip.compress(GOOD + END + bytes(100)), FORMS)
    assert finding.message == "holds a tar that does not end with a block of 512 bytes"


def test_python_sees_other_files_behind_the_name_of_a_folder() -> None:
    tar, *_ = ATTACKS["a folder's name in a header with the type of a file"]
    assert seen_by_tarfile(gzip.compress(tar + END)) == {"inner.sh": b"evil"}


NAMES = st.sampled_from(
    [b"a", b"b", b"dir", b"dir/c", b"dir/", b"x/", b"", b"./a", b"\xc3\xa9", b"\xff", b"a\0b"]
)
TIMES = st.sampled_from(
    [b"0", b"1.5", b"-1", b"", b"nan", b"../x", b"9" * 300, b"1e3", b" 1", b"1 ", b"99999999999"]
)
KEYS = st.sampled_from([b"mtime", b"atime", b"ctime", b"size", b"linkpath", b"GNU.sparse.name"])
KINDS = st.sampled_from([b"0", b"\0", b"5", b"0", b"\0", b"5", b"7", b"1", b"2"])
NUMBERS = st.sampled_from(
    [b"", b"0000001\0", b"0000001 ", b" " * 8, bytes(8), b" 000001\0", b"\x80" + bytes(7), b"-000001\0"]
)


@st.composite
def members(draw: st.DrawFn) -> bytes:
    made = b""
    if draw(st.integers(0, 3)) == 0:
        records = draw(st.lists(st.tuples(KEYS, TIMES), max_size=2))
        if draw(st.booleans()):
            records.append((b"path", draw(NAMES)))
        content = b"".join(record(*each) for each in records)
        made += header(b"PaxHeaders/x", kind=b"x", size=len(content)) + padded(content)
    kind = draw(KINDS)
    content = draw(st.sampled_from([b"", b"x", b"y" * 512, HIDDEN])) if kind != b"5" else b""
    fields = {}
    if draw(st.integers(0, 4)) == 0:
        fields[draw(st.sampled_from([100, 108, 116, 136, 329, 337, 345, 500, 475]))] = draw(NUMBERS)
    name = draw(st.one_of(st.integers(0, 9).map(lambda each: b"f%d" % each), NAMES))
    prefix = draw(st.sampled_from([b"", b"", b"dir", b"deep/er"]))
    return made + header(name, kind=kind, size=len(content), prefix=prefix, fields=fields) + padded(content)


ARCHIVES = st.builds(
    lambda made, end: gzip.compress(b"".join(made) + end, mtime=0),
    st.lists(members(), min_size=1, max_size=3),
    st.sampled_from([END, END, bytes(512), END + bytes(512), b"", END + bytes(7), bytes(512) + GOOD]),
)


@given(packed=ARCHIVES)
def test_tarfile_sees_what_the_guard_sees(packed: bytes) -> None:
    seen = seen_by_guard(packed)
    assert seen is None or seen_by_tarfile(packed) == seen


@pytest.mark.process
@pytest.mark.timeout(240)
@given(packed=ARCHIVES)
def test_gnu_tar_sees_what_the_guard_sees(packed: bytes) -> None:
    _demand_gnu_tar()
    seen = seen_by_guard(packed)
    assert seen is None or seen_by_gnu_tar(packed) == seen


@pytest.mark.process
def test_all_three_readers_see_a_good_archive() -> None:
    _demand_gnu_tar()
    tar = header(b"dir/", kind=b"5") + pax((b"path", b"dir/c"), (b"mtime", b"-1.5")) + file(b"c", b"one")
    packed = gzip.compress(tar + file(b"d", b"two", kind=b"\0", prefix=b"dir") + END)
    wanted = {"dir/c": b"one", "dir/d": b"two"}
    assert seen_by_guard(packed) == seen_by_tarfile(packed) == seen_by_gnu_tar(packed) == wanted


def _demand_gnu_tar() -> None:
    if not optional_tools.is_here("tar"):
        optional_tools.missing("tar", "GNU tar is not installed, so it is not compared with the guard")
    version = subprocess.run(["tar", "--version"], capture_output=True, text=True, check=False, timeout=30)
    if "GNU tar" not in version.stdout:
        optional_tools.missing("tar", "the tar of this machine is not GNU tar, which guests have")
