"""Measures the time and the findings of the guard's search for secrets: `python -m tools.measure_guard [FOLDER...]`.

It makes a bundle of 20 MiB compressed and searches it, then the files of each named folder. A finding in a folder
without secrets is a false alarm. The figures of docs/adr/0016 come from here.
"""

import gzip
import io
import random
import resource
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline_core.guard import bundles, detectors, secrets
from pipeline_core.guard.inflate import CHUNK

_MEBIBYTE = 1024 * 1024


def _bundle() -> bytes:
    """A bundle of half text, half bytes that do not compress. It has the largest allowed size."""
    chance = random.Random(1)  # noqa: S311 - the same bundle each time
    words = [chance.randbytes(4).hex() for _ in range(2000)]
    target = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for number in range(17):
            text = " ".join(chance.choices(words, k=440_000)).encode()[: 3 * _MEBIBYTE]
            for name, content in (
                (f"text-{number}", text),
                (f"bytes-{number}", chance.randbytes(_MEBIBYTE // 8)),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _look_at(folder: Path) -> str:
    forms = detectors.forms()
    found: Counter[str] = Counter()
    files = size = 0
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        files, size = files + 1, size + path.stat().st_size
        scan = secrets.FileScan(str(path), forms)
        found.update(finding.message for chunk in _chunks(path) for finding in scan.look_at(chunk))
    findings = ", ".join(f"{count} x {message}" for message, count in found.most_common()) or "nothing"
    return f"{files:,} files, {size / _MEBIBYTE:.1f} MiB: {findings}"


def main(folders: list[str]) -> None:
    """Measure and print."""
    content = _bundle()
    started = time.process_time()
    findings = bundles.check_bundle(content, detectors.forms())
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = len(content) / _MEBIBYTE
    print(
        f"bundle of {size:.1f} MiB: {spent:.1f} s, {len(findings)} findings, peak {peak:.0f} MiB of this process"
    )
    for folder in folders:
        started = time.process_time()
        print(f"{folder}: {_look_at(Path(folder))}; {time.process_time() - started:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
