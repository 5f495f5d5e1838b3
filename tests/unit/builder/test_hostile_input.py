"""Bad input to the builder: each ends in a classified failure with a clear message, bounded, and publishes nothing."""

import json
import os
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest

from builder.attempt import BuilderExit
from builder.log.stream import LOG_LIMIT
from builder.packer import manifest
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire.bundle import COMPRESSED_LIMIT
from pipeline_core.wire.job import BuildJob
from tests.unit.builder import measured, program, samples
from tests.unit.builder.conftest import Left, Run
from tests.unit.builder.fakes import FolderBlobs
from tests.unit.guard.archives import bundle_of, files, member

pytestmark = pytest.mark.process

CHECKOUT = Path(__file__).parents[3]
MEBIBYTE = 1024 * 1024


def zeros(gibibytes: int = 10) -> bytes:
    """A bundle of one file of so many GiB of zeros, made without ever holding them."""
    head = member("zeros")
    header = bytearray(head.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"%012o" % (gibibytes * 1024**3)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    deflate = zlib.compressobj(9, wbits=31)
    content = deflate.compress(bytes(header)) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same bytes are packed to the same bytes.
    unit = deflate.compress(bytes(MEBIBYTE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return content + unit * (gibibytes * 1024)


def assert_refused(left: Left, *words: str) -> None:
    """Failed as the policy's, said why, and neither Packer nor anything else has run."""
    report = left.report
    assert left.exit is BuilderExit.DONE
    assert (report.succeeded, report.error_class, report.artifact, report.packer) == (
        False,
        ErrorClass.POLICY,
        "",
        "",
    )
    assert [word for word in words if word not in report.message] == []
    assert "manifest.json" not in {name.rpartition("/")[2] for name in left.blobs.names()}
    assert [event["kind"] for event in left.events.sent] == ["completed"]
    assert list(left.work.iterdir()) == []


BUNDLES = {
    "a name that leads out": (bundle_of((member("../../etc/cron.d/x"), b"x")), "bundle-outside"),
    "an absolute name": (bundle_of((member("/etc/passwd"), b"x")), "bundle-absolute-name"),
    "a symbolic link": (bundle_of((member("a", kind=b"2", link="/etc/shadow"), b"")), "bundle-link"),
    "a hard link": (bundle_of((member("a", kind=b"1", link="/etc/shadow"), b"")), "bundle-link"),
    "a device": (bundle_of((member("a", kind=b"3"), b"")), "bundle-device"),
    "a pipe": (bundle_of((member("a", kind=b"6"), b"")), "bundle-device"),
    "no archive": (b"hello", "bundle-form"),
    "half an archive": (files(a=b"x" * 9999)[:-30], "bundle-form"),
}


@pytest.mark.parametrize(("content", "rule"), BUNDLES.values(), ids=BUNDLES.keys())
def test_a_hostile_bundle_is_refused_before_packer_runs(run: Run, content: bytes, rule: str) -> None:
    left = run(samples.root_job(bundle=samples.digest_of(content)), samples.GOOD_BUILD, bundle=content)
    assert_refused(left, rule, "the policy guard refused")


def test_an_archive_inside_the_bundle_is_data_and_is_not_opened(run: Run) -> None:
    inner = bundle_of((member("../../etc/passwd"), b"x"), (member("l", kind=b"2", link="/"), b""))
    content = bundle_of((member("inner.tar.gz"), inner), (member("scripts/install.sh"), b"x"))
    left = run(samples.root_job(bundle=samples.digest_of(content)), samples.GOOD_BUILD, bundle=content)
    assert left.report.succeeded, left.report.message


MANIFESTS = {
    "no manifest": (None, "is missing, or larger than"),
    "nothing": (b"", "is not JSON"),
    "no JSON": (b"{", "is not JSON"),
    "another encoding": (b"\xff\xfe{}", "is not JSON"),
    "deep JSON": (b"[" * 100_000, "is not JSON"),
    "a list": (b"[]", "has no list of builds"),
    "no builds": (b'{"builds": []}', "lists 0 builds"),
    "two builds": (b'{"builds": [{"artifact_id": "/a"}, {"artifact_id": "/b"}]}', "lists 2 builds"),
    "no artifact": (b'{"builds": [{}]}', "names no artifact"),
    "an empty artifact": (b'{"builds": [{"artifact_id": ""}]}', "names no artifact"),
    "a number": (b'{"builds": [{"artifact_id": 7}]}', "names no artifact"),
    "a build that is none": (b'{"builds": ["x"]}', "names no artifact"),
    "control sequences": (b'{"builds": [{"artifact_id": "/a\\u001b[2J"}]}', "not an id of Azure"),
    "an endless id": (json.dumps({"builds": [{"artifact_id": "a" * 5000}]}).encode(), "not an id of Azure"),
}


@pytest.mark.parametrize(("content", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_is_not_exactly_one_artifact_is_refused(content: bytes | None, words: str) -> None:
    with pytest.raises(PermanentError, match=words) as caught:
        manifest.artifact_of(content)
    assert caught.value.error_class is ErrorClass.TEMPLATE


@pytest.mark.parametrize(
    "build",
    [
        "true",
        "echo '{' > manifest.json",
        """echo '{"builds": [{"artifact_id": "/a"}, {"artifact_id": "/b"}]}' > manifest.json""",
        "head -c 300000000 /dev/zero > manifest.json",
    ],
    ids=["missing", "no JSON", "two builds", "huge"],
)
def test_a_build_with_a_bad_manifest_fails_and_names_no_version(run: Run, build: str) -> None:
    left = run(samples.root_job(), build)
    assert left.exit is BuilderExit.DONE
    assert (left.report.error_class, left.report.artifact) == (ErrorClass.TEMPLATE, "")
    assert "Packer succeeded, but its manifest" in left.report.message


def peak_of(root: Path, job: BuildJob, build: str, bundle: bytes = samples.BUNDLE_CONTENT) -> int:
    """Run a builder of its own on the job; the most memory of it and its children, in KiB."""
    samples.store(root, job, bundle)
    work = root / "work"
    work.mkdir()
    packer = samples.write_packer(root, build)
    done = subprocess.run(
        [sys.executable, measured.__file__, sys.executable, "-m", program.__name__, str(root), str(work)],
        env={**samples.environment_for(job, packer), "PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)},
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    return int(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What a builder needs for a build that says two words."""
    return peak_of(tmp_path_factory.mktemp("usual"), samples.root_job(), samples.GOOD_BUILD)


def test_ten_gigabytes_of_zeros_are_refused_in_little_memory(tmp_path: Path, usual: int) -> None:
    content = zeros()
    assert MEBIBYTE < len(content) < COMPRESSED_LIMIT
    job = samples.root_job(bundle=samples.digest_of(content))
    peak = peak_of(tmp_path, job, samples.GOOD_BUILD, content)
    report = json.loads(FolderBlobs(tmp_path).text(f"{job.build}/build-1/result.json"))
    assert (report["succeeded"], report["error_class"], report["artifact"]) == (False, "policy", "")
    assert "bundle-unpacked-size" in report["message"] or "bundle-ratio" in report["message"]
    assert peak < usual + (len(content) + 20 * MEBIBYTE) // 1024  # the bundle itself, packed, and little more


def test_a_line_of_a_hundred_megabytes_costs_little_memory_and_is_cut(tmp_path: Path, usual: int) -> None:
    endless = "head -c 100000000 /dev/zero | tr '\\000' x; echo; echo after"
    peak = peak_of(tmp_path, samples.root_job(), f"{endless}\n{samples.GOOD_BUILD}")
    log = FolderBlobs(tmp_path).text(f"{samples.ROOT_BUILD}/build-1/log.txt")
    lines = [line for line in log.splitlines() if not line.startswith("imagefactory:")]
    assert lines[0].startswith("x" * 1000)
    assert lines[0].endswith(" [line cut]")
    assert (len(lines[0]) < 10_000, lines[1]) == (True, "after")
    assert peak < usual + 20 * 1024


def test_a_log_beyond_all_bounds_is_cut_and_costs_little_memory(tmp_path: Path, usual: int) -> None:
    build = f"yes $(head -c 8000 /dev/zero | tr '\\000' x) | head -c 53000000; echo; {samples.GOOD_BUILD}"
    peak = peak_of(tmp_path, samples.root_job(), build)
    log = tmp_path / "builds" / f"{samples.ROOT_BUILD}/build-1/log.txt"
    assert log.stat().st_size <= LOG_LIMIT + 1000
    assert b"the log is cut here" in log.read_bytes()
    assert peak < usual + 30 * 1024


CONTROLS = {
    "colours": "\x1b[31;1mred\x1b[0m",
    "a screen that is cleared": "\x1b[2J\x1b[Hred",
    "a title": "\x1b]0;evil\x07red",
    "a link": "\x1b]8;;https://evil.example.com\x1b\\red\x1b]8;;\x1b\\",
    "a link without an end": "red\x1b]8;;https://evil.example.com",
    "a device control": '\x1bP$q"p\x1b\\red',
    "zero bytes": "\x00red\x00",
    "one byte controls": "\x9b31mred",
    "turned text": "\u202ered\u202c",
    "isolated text": "\u2067red\u2069",
    "nothing to be seen": "red\u200b\u200d\ufeff",
    "line ends": "red\u2028red\x85red",
    "a tag": "red\U000e0041",
}


@pytest.mark.parametrize("line", CONTROLS.values(), ids=CONTROLS.keys())
def test_what_moves_a_terminal_reaches_neither_log_nor_report(run: Run, line: str) -> None:
    (escaped,) = ["".join(f"\\{byte:03o}" for byte in line.encode())]
    left = run(samples.root_job(), f"printf '{escaped}\\n'; exit 1")
    assert not left.report.succeeded
    for text in (left.log, left.report.message):
        assert "red" in text
        assert "evil" not in text
        assert all(letter.isprintable() for letter in text.replace("\n", ""))


SECRET = samples.GITHUB_TOKEN


@pytest.mark.parametrize("before", [0, 8000, 8170, 8192, 16_350, 16_384, 65_500, 65_510, 65_535, 131_050])
def test_no_part_of_a_secret_is_shown_wherever_a_long_line_is_cut(run: Run, before: int) -> None:
    left = run(
        samples.root_job(), f"head -c {before} /dev/zero | tr '\\000' ' '; echo 'x {SECRET} y'; exit 1"
    )
    for text in (left.log, left.report.message):
        parts = [SECRET[start : start + 12] for start in range(len(SECRET) - 11)]
        assert [part for part in parts if part in text] == []


def test_a_secret_at_the_border_of_two_blocks_of_the_log_is_hidden_too(run: Run) -> None:
    left = run(samples.root_job(), f"yes 0123456789 | head -n 5950; echo 'a {SECRET} b'; exit 1")
    assert "a [redacted] b" in left.log
    assert SECRET[10:] not in left.log
