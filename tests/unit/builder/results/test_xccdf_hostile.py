"""A results file that was made to hurt is refused, in bounded memory and time; a large honest one is read in it."""

import gzip
import itertools
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator

import pytest

from builder.results import xccdf
from pipeline_core.domain.errors import ErrorClass, PermanentError
from tests.unit.builder.results import scan_files
from tests.unit.builder.results.scan_files import XCCDF_12, zipped

OPEN = f'<Benchmark xmlns="{XCCDF_12}">'
GOOD = scan_files.xccdf()
MANY_ATTRIBUTES = " ".join(f"a{each}='1'" for each in range(300))
MANY_RULES = "".join(f"<Rule id='r{each}'/>" for each in range(20_001))
_LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
_XXE = '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
_OUTSIDE = '<!DOCTYPE l SYSTEM "http://192.0.2.1/evil.dtd">'


def _declared(declaration: str, entity: str = "") -> str:
    return GOOD.replace("?>", f"?>{declaration}", 1).replace("Title of two", f"Title {entity}")


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "no gzip": (GOOD.encode(), "not a gzip stream"),
    "an empty stream": (gzip.compress(b""), "cut off or not XML"),
    "a gzip stream that is cut off": (zipped(GOOD)[:-40], "the gzip stream is cut off"),
    "a gzip stream without its end": (zipped(GOOD)[:-8], "the gzip stream is cut off"),
    "a damaged gzip stream": (zipped(GOOD)[:-8] + b"\0" * 8, "not a gzip stream, or a damaged one"),
    "two streams": (zipped(GOOD) * 2, "more bytes after the end"),
    "XML that is cut off": (zipped(GOOD[:-30]), "cut off or not XML"),
    "XML that is cut off in a tag": (zipped(GOOD[: GOOD.index("<TestResult") + 8]), "cut off or not XML"),
    "no XML": (zipped("results: good"), "cut off or not XML"),
    "control characters": (zipped(GOOD.replace("Title of two", "\x00\x1b[31m")), "cut off or not XML"),
    "another encoding than it says": (zipped(GOOD.replace("UTF-8", "cp037")), "cannot be used"),
    "an encoding that nobody knows": (zipped(GOOD.replace("UTF-8", "x-evil")), "cannot be used"),
    "a billion laughs": (zipped(_declared(_LAUGHS, "&c;")), "declare a document type or entities"),
    "an entity from a file": (zipped(_declared(_XXE, "&x;")), "declare a document type or entities"),
    "a document type from elsewhere": (zipped(_declared(_OUTSIDE)), "declare a document type or entities"),
    "an entity that nobody declared": (zipped(GOOD.replace("Title of two", "&x;")), "cut off or not XML"),
    "many attributes": (
        zipped(f"{OPEN}<a {MANY_ATTRIBUTES}/></Benchmark>"),
        "more than 200 attributes",
    ),
    "many results": (
        zipped(f"{OPEN}<TestResult>{'<rule-result/>' * 20_001}</TestResult></Benchmark>"),
        "results of more than 20,000 rules",
    ),
    "a result before any result of a rule": (
        zipped(f"{OPEN}<rule-result><result>pass</result></rule-result><TestResult/></Benchmark>"),
        "a result of a rule outside of a TestResult's own rules",
    ),
    "a result within another rule's": (
        zipped(
            f"{OPEN}<TestResult><rule-result idref='a'><rule-result idref='b'><result>pass</result>"
            "</rule-result></rule-result></TestResult></Benchmark>"
        ),
        "a result of a rule outside of a TestResult's own rules",
    ),
    "many rules": (
        zipped(f"{OPEN}{MANY_RULES}</Benchmark>"),
        "more than 20,000 rules",
    ),
}


@pytest.mark.parametrize(("content", "why"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(PermanentError) as caught:
        xccdf.parse(content, profile="cis")
    assert caught.value.error_class is ErrorClass.COMPLIANCE
    assert why in str(caught.value)
    assert len(str(caught.value)) < 1000


def _numbered(form: str) -> Iterator[bytes]:
    return ((form % {"n": number}).encode() for number in itertools.count())


BOMBS: dict[str, tuple[Callable[[], Iterable[bytes]], str]] = {
    "zeros": (lambda: itertools.repeat(b"\0" * 65536), "cut off or not XML"),
    "text without end": (
        lambda: itertools.chain([OPEN.encode()], itertools.repeat(b"x" * 65536)),
        "unpack to more than",
    ),
    "a title without end": (
        lambda: itertools.chain([f"{OPEN}<Rule><title>".encode()], itertools.repeat(b"x" * 65536)),
        "unpack to more than",
    ),
    "depth": (lambda: itertools.chain([OPEN.encode()], itertools.repeat(b"<a>" * 20_000)), "200 deep"),
    "one tag without end": (
        lambda: itertools.chain([OPEN.encode(), b'<a b="'], itertools.repeat(b"x" * 65536)),
        "one tag or comment",
    ),
    "one comment without end": (
        lambda: itertools.chain([OPEN.encode(), b"<!--"], itertools.repeat(b"x" * 65536)),
        "one tag or comment",
    ),
    "names of elements": (
        lambda: itertools.chain([OPEN.encode()], _numbered("<n%(n)d/>")),
        "different names",
    ),
    "names of attributes": (
        lambda: itertools.chain([OPEN.encode()], _numbered("<n a%(n)d='1'/>")),
        "different names",
    ),
    "names of namespaces": (
        lambda: itertools.chain([OPEN.encode()], _numbered("<n xmlns:a%(n)d='u%(n)d'/>")),
        "different names",
    ),
}
_BOMB = xccdf.UNPACKED_LIMIT + 1  # bytes, unpacked: more than is taken
_MEMORY = 24 * 1024 * 1024  # bytes that reading may need beside the file


def _pack(pieces: Iterable[bytes], size: int) -> bytes:
    """As much as is wanted of a stream, packed as it comes, so that the test itself needs no memory."""
    packer, packed, length = zlib.compressobj(1, zlib.DEFLATED, 31), [], 0
    for piece in pieces:
        packed.append(packer.compress(piece))
        length += len(piece)
        if length > size:
            break
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize(("pieces", "why"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_in_bounded_memory(pieces: Callable[[], Iterable[bytes]], why: str) -> None:
    # Names are told apart one by one: a part of it is far beyond their limit, and quicker to make.
    content = _pack(pieces(), _BOMB if "more than" in why else _BOMB // 40)
    tracemalloc.start()
    try:
        with pytest.raises(PermanentError, match=why):
            xccdf.parse(content, profile="cis")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < _MEMORY


_READS = """
import resource, sys
from builder.results import xccdf
content = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scan = xccdf.parse(content, profile="cis")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(scan.findings), scan.score, (after - before) // 1024)
"""


@pytest.mark.process
def test_an_honest_file_of_50_megabytes_is_read_in_a_few() -> None:
    content = _pack(scan_files.large(50), 10**12)
    done = subprocess.run(
        [sys.executable, "-c", _READS], input=content, capture_output=True, check=True, timeout=120
    )
    findings, score, megabytes = done.stdout.split()
    assert (int(findings), float(score)) == (500, 66.5)
    assert int(megabytes) < 30
