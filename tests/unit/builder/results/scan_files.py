"""Results files of a scanner, made for tests: as small as XCCDF allows, or as large as is wanted."""

import gzip
from collections.abc import Iterable, Iterator

XCCDF_12 = "http://checklists.nist.gov/xccdf/1.2"
XCCDF_11 = "http://checklists.nist.gov/xccdf/1.1"
PREFIX = "xccdf_org.ssgproject.content"
DEFAULT_RESULTS = (("one", "pass"), ("two", "fail"))


def rule(name: str, *, severity: str = "high", title: str = "") -> str:
    """A rule of the benchmark."""
    return f'<Rule id="{PREFIX}_rule_{name}" severity="{severity}"><title>{title or f"Title of {name}"}</title></Rule>'


def result(name: str, word: str, *, severity: str = "medium") -> str:
    """The result of a rule; without a severity where it is empty."""
    told = f' severity="{severity}"' if severity else ""
    return f'<rule-result idref="{PREFIX}_rule_{name}"{told}><result>{word}</result></rule-result>'


def score_of(score: str, *, maximum: str = "100.000000") -> str:
    """The default scoring's score."""
    return f'<score system="urn:xccdf:scoring:default" maximum="{maximum}">{score}</score>'


def xccdf(
    results: Iterable[tuple[str, str]] = DEFAULT_RESULTS,
    *,
    score: str = "50",
    maximum: str = "100",
    profile: str = f"{PREFIX}_profile_cis",
    namespace: str = XCCDF_12,
    rules: str = "",
    attributes: str = "",
    extra: str = "",
) -> str:
    """A Benchmark with one TestResult; `extra` stands at its end."""
    told = "".join(result(name, word) for name, word in results)
    rules = rules or rule("one") + rule("two")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Benchmark xmlns="{namespace}" id="b">{rules}'
        f'<TestResult id="t" {attributes}><title>Scan</title><profile idref="{profile}"/>{told}'
        f"{score_of(score, maximum=maximum)}</TestResult>{extra}</Benchmark>"
    )


def arf(inner: str) -> str:
    """The same inside an asset report, with the benchmark in the request and the results in the report."""
    head, body = inner.split("?>", 1)
    benchmark, _, rest = body.partition("<TestResult")
    name, test = benchmark.split(" ", 1)[0][1:], "<TestResult" + rest
    tail = test[test.index("</TestResult>") + len("</TestResult>") :]
    test = test.removesuffix(tail).replace("<TestResult", f'<TestResult xmlns="{XCCDF_12}"', 1)
    return (
        f'{head}?><arf:asset-report-collection xmlns:arf="http://scap.nist.gov/schema/asset-reporting-format/1.1">'
        f"<arf:report-requests><arf:content>{benchmark}</{name}></arf:content></arf:report-requests>"
        f"<arf:reports><arf:report><arf:content>{test}</arf:content></arf:report></arf:reports>"
        "</arf:asset-report-collection>"
    )


def zipped(text: str | bytes) -> bytes:
    """As it comes out of the guest."""
    return gzip.compress(text.encode() if isinstance(text, str) else text, compresslevel=1, mtime=0)


def large(megabytes: int) -> Iterator[bytes]:
    """A results file of this size, piece by piece: a benchmark with long texts, then 1,500 results."""
    yield f'<Benchmark xmlns="{XCCDF_12}" id="b">'.encode()
    text = "<description>" + "why this rule is there and how it is repaired " * 20 + "</description>"
    piece, size, number = b"", 0, 0
    while size < megabytes * 1024 * 1024:
        name = f"r{number % 1500}"
        value = f'<Value id="v{number}"><title>A value</title>{text * 8}</Value>'
        piece = (rule(name) + value if number < 1500 else value).encode()
        size, number = size + len(piece), number + 1
        yield piece
    results = "".join(result(f"r{each}", "fail" if each % 3 == 0 else "pass") for each in range(1500))
    yield (
        f'<TestResult id="t"><profile idref="{PREFIX}_profile_cis"/>{results}{score_of("66.5")}'
        "</TestResult></Benchmark>"
    ).encode()
