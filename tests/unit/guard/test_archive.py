"""The guard over archives: everything but plain files is refused, and no archive costs more than its limits."""

import gzip
import io
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.guard import bundles
from pipeline_core.wire import bundle as packing
from tests.unit.guard.archives import FORMS, bundle_of, member, tar_of


def rules_of(content: bytes) -> set[str]:
    return {finding.rule for finding in bundles.check_bundle(content, FORMS)}


def test_what_we_pack_passes_and_comes_out_as_it_went_in(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "scripts").mkdir(parents=True)
    target.mkdir()
    (source / "scripts" / "run.sh").write_text("echo\n")
    (source / "scripts" / "run.sh").chmod(0o755)
    long = "é" * 100 + ".txt"
    (source / long).write_bytes(b"x" * 200_000)
    packed = packing.pack(source)
    assert bundles.check_bundle(packed.content, FORMS) == ()
    assert bundles.names_in(packed.content) == set(packed.names) == {"scripts/run.sh", long}
    with tarfile.open(fileobj=io.BytesIO(packed.content), mode="r:gz") as archive:
        archive.extractall(target, filter="data")
    assert (target / "scripts" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (target / long).read_bytes() == b"x" * 200_000


def test_folders_are_allowed() -> None:
    folder = member("a", kind=tarfile.DIRTYPE)
    assert rules_of(bundle_of((folder, b""), (member("a/b"), b"x"))) == set()


REFUSED = {
    "symbolic link": (member("a", kind=tarfile.SYMTYPE, link="/etc/passwd"), "bundle-link"),
    "hard link": (member("a", kind=tarfile.LNKTYPE, link="b"), "bundle-link"),
    "character device": (member("a", kind=tarfile.CHRTYPE), "bundle-device"),
    "block device": (member("a", kind=tarfile.BLKTYPE), "bundle-device"),
    "FIFO": (member("a", kind=tarfile.FIFOTYPE), "bundle-device"),
    "contiguous file": (member("a", kind=tarfile.CONTTYPE), "bundle-link"),
    "absolute name": (member("/etc/passwd"), "bundle-absolute-name"),
    "drive letter": (member("C:/x"), "bundle-absolute-name"),
    "name that leads out": (member("a/../../b"), "bundle-outside"),
    "dot in the name": (member("./a"), "bundle-name"),
    "doubled slash": (member("a//b"), "bundle-name"),
    "back slash": (member("a\\b"), "bundle-name"),
    "line end in the name": (member("a\nb"), "bundle-name"),
    "long name": (member("a" * 300), "bundle-name"),
    "deep name": (member("/".join("a" * 50)), "bundle-name"),
}


@pytest.mark.parametrize(("made", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_a_member_that_is_not_a_plain_file_is_refused(made: tarfile.TarInfo, rule: str) -> None:
    assert rules_of(bundle_of((made, b""), (member("good"), b"x"))) == {rule}


def test_all_findings_come_at_once() -> None:
    content = bundle_of(*((made, b"") for made, _ in REFUSED.values()))
    assert len(bundles.check_bundle(content, FORMS)) >= len(REFUSED)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/"), ("a/", "a")])
def test_a_name_that_comes_twice_is_refused(names: tuple[str, str]) -> None:
    made = [member(name, kind=tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE) for name in names]
    assert "bundle-duplicate" in rules_of(bundle_of(*((each, b"") for each in made)))


def test_a_file_that_is_a_folder_too_is_refused() -> None:
    assert "bundle-duplicate" in rules_of(bundle_of((member("a"), b"x"), (member("a/b"), b"y")))


def test_too_many_files_are_refused() -> None:
    many = [(member(f"{number}"), b"") for number in range(packing.MEMBER_LIMIT + 1)]
    assert rules_of(bundle_of(*many)) == {"bundle-members"}


def test_endless_folders_are_refused() -> None:
    many = [
        (member(f"{number}", kind=tarfile.DIRTYPE), b"") for number in range(2 * packing.MEMBER_LIMIT + 1)
    ]
    assert rules_of(bundle_of(*many)) == {"bundle-members"}


@pytest.mark.slow
def test_gigabytes_of_zeros_are_refused_in_little_memory() -> None:
    head = member("zeros")
    head.size = 8**11 - 1  # 8 GiB are announced; a tenth of a percent is ever unpacked
    deflate = zlib.compressobj(9, wbits=31)
    content = deflate.compress(head.tobuf(tarfile.USTAR_FORMAT))
    zeros = bytes(1024 * 1024)
    content += b"".join(deflate.compress(zeros) for _ in range(300)) + deflate.flush()
    tracemalloc.start()
    try:
        assert rules_of(content) == {"bundle-ratio"}
        assert tracemalloc.get_traced_memory()[1] < 5 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_bundle_over_the_compressed_limit_is_not_even_opened() -> None:
    assert rules_of(bytes(packing.COMPRESSED_LIMIT + 1)) == {"bundle-size"}


GOOD_TAR = tar_of([(member("a"), b"x")])
BROKEN = {
    "nothing": b"",
    "no gzip": b"hello",
    "no tar": gzip.compress(b"hello" * 500),
    "cut gzip": gzip.compress(GOOD_TAR)[:-20],
    "cut tar": gzip.compress(GOOD_TAR[:600]),
    "no end": gzip.compress(GOOD_TAR[:1024]),
    "second gzip member": gzip.compress(GOOD_TAR) + gzip.compress(GOOD_TAR),
    "bytes after gzip": gzip.compress(GOOD_TAR) + b"x",
    "tar after the end": gzip.compress(GOOD_TAR + GOOD_TAR),
    "one zero block only, then a member": gzip.compress(GOOD_TAR[:1024] + bytes(512) + GOOD_TAR),
    "flipped bit": gzip.compress(GOOD_TAR[:100] + b"7" + GOOD_TAR[101:]),
    "wrong CRC": gzip.compress(GOOD_TAR)[:-8] + bytes(8),
    "zero byte before a number": gzip.compress(GOOD_TAR[:148] + b"\0" + GOOD_TAR[149:]),
    "GNU format": bundle_of((member("a" * 200), b""), form=tarfile.GNU_FORMAT),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_a_plain_tar_gz_is_refused(content: bytes) -> None:
    assert rules_of(content) == {"bundle-form"}


@pytest.mark.parametrize(
    "headers", [{"size": "7"}, {"linkpath": "x"}, {"GNU.sparse.major": "1"}, {"SCHILY.xattr.user.a": "b"}]
)
def test_an_extension_that_changes_what_a_reader_sees_is_refused(headers: dict[str, str]) -> None:
    made = member("a")
    made.pax_headers = headers
    assert rules_of(bundle_of((made, b"x"))) == {"bundle-form"}


def with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


def test_a_link_hidden_in_the_content_of_a_folder_is_not_smuggled_past_the_guard() -> None:
    hidden = member("b", kind=tarfile.SYMTYPE, link="/etc/passwd").tobuf(tarfile.USTAR_FORMAT)
    tar = tar_of([(member("a"), hidden)])
    content = gzip.compress(with_checksum(tar[:156] + b"5" + tar[157:512]) + tar[512:])
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        assert [each.name for each in archive if each.issym()] == ["b"]  # what another reader sees
    assert rules_of(content) == {"bundle-form"}


@given(
    position=st.integers(0, 511),
    value=st.binary(min_size=1, max_size=4),
    kind=st.sampled_from(b"\x000157xgLKS"),
)
def test_a_forged_header_with_a_right_checksum_shows_all_readers_the_same(
    position: int, value: bytes, kind: int
) -> None:
    tar = tar_of([(member("a"), b"x" * 600), (member("b/c"), b"y")])
    header = bytearray(tar[:512])
    header[156] = kind
    header[position : position + len(value)] = value
    content = gzip.compress(with_checksum(bytes(header[:512])) + tar[512:])
    if bundles.check_bundle(content, FORMS):
        return
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        assert {each.name for each in archive if each.isfile()} == bundles.names_in(content)


def test_a_global_header_is_refused() -> None:
    target = io.BytesIO()
    with tarfile.open(
        fileobj=target, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "b"}
    ) as archive:
        archive.addfile(member("a"))
    assert "bundle-link" in rules_of(gzip.compress(target.getvalue()))


def test_a_huge_extension_is_refused() -> None:
    made = member("a")
    made.pax_headers = {"path": "b" * 100_000}
    assert rules_of(bundle_of((made, b""))) == {"bundle-form"}


@given(content=st.binary(max_size=2000))
def test_any_bytes_are_judged_without_an_exception(content: bytes) -> None:
    assert bundles.check_bundle(content, FORMS)
    assert bundles.check_bundle(gzip.compress(content), FORMS)


@given(position=st.integers(0, len(GOOD_TAR) - 1), byte=st.integers(0, 255))
def test_where_the_guard_sees_no_fault_tarfile_sees_the_same_files(position: int, byte: int) -> None:
    tar = tar_of([(member("a"), b"x" * 600), (member("é" * 60), b"y")])
    content = gzip.compress(tar[:position] + bytes([byte]) + tar[position + 1 :])
    if bundles.check_bundle(content, FORMS):
        return
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        assert {each.name for each in archive if each.isfile()} == bundles.names_in(content)
