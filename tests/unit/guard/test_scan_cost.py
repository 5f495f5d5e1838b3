"""The work of scanning a bundle is bounded by its compressed size: counted in bytes, and never in seconds."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence

import pytest

from pipeline_core.guard import bundles, secrets
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule

MIB = 1024 * 1024


def _packed(files: Sequence[tuple[str, bytes]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(content.getvalue(), 9, mtime=0)


def _noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


class _Counted:
    """A scan that only counts what it is given."""

    scanned = 0

    def __init__(self, *_: object) -> None:
        pass

    def look_at(self, chunk: bytes) -> Iterator[Finding]:
        _Counted.scanned += len(chunk)
        return iter(())


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> type[_Counted]:
    monkeypatch.setattr(secrets, "FileScan", _Counted)
    _Counted.scanned = 0
    return _Counted


def _rules(content: bytes) -> set[GuardRule]:
    return {finding.rule for finding in bundles.check_bundle(content, ())}


@pytest.mark.parametrize("repeats", [1500, 5000])
def test_a_bomb_within_the_ratio_of_the_archive_is_scanned_no_further_than_its_size_allows(
    counted: type[_Counted], repeats: int
) -> None:
    """As in finding 11: it repeats blocks, unpacks to 170 times its size, and was scanned to its end."""
    content = _packed([("data.bin", _noise(4096) * repeats)])
    assert 100 < repeats * 4096 / len(content) < 200
    assert _rules(content) == {GuardRule.BUNDLE_RATIO}
    assert counted.scanned <= max(bundles.SCAN_FLOOR, bundles.SCAN_RATIO * len(content))


def test_it_is_the_same_for_many_files(counted: type[_Counted]) -> None:
    content = _packed([(f"data-{number}.bin", _noise(4096) * 256) for number in range(10)])
    assert _rules(content) == {GuardRule.BUNDLE_RATIO}
    assert counted.scanned <= max(bundles.SCAN_FLOOR, bundles.SCAN_RATIO * len(content))


@pytest.mark.parametrize(
    "files",
    [
        [(f"scripts/step-{number}.sh", f"#!/bin/bash\necho {number}\n".encode()) for number in range(900)],
        [
            (
                "data.txt",
                b"".join(b"x = %d # words of a text that repeats\n" % each for each in range(200_000)),
            )
        ],
        [("small.bin", b"\0" * (bundles.SCAN_FLOOR - 200_000))],
        [("noise.bin", _noise(6 * MIB))],
    ],
    ids=["tiny scripts", "long text", "zeros below the floor", "nothing to compress"],
)
def test_what_teams_pack_is_scanned_whole(counted: type[_Counted], files: list[tuple[str, bytes]]) -> None:
    assert _rules(_packed(files)) == set()
    assert counted.scanned == sum(len(data) for _, data in files)
