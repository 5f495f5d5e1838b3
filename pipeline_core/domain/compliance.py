"""What a compliance scan found: counts, a score, and every rule that did not pass."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, unique

_PREFIX = re.compile(r"xccdf_[^_]+_(?:rule|profile|benchmark)_", re.ASCII)


@unique
class Severity(Enum):
    """How much a rule of a benchmark matters, in XCCDF's words, from the least to the most."""

    UNKNOWN = "unknown"  # the benchmark does not say
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """From 0, the least."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCounts:
    """Numbers of rules by their result, in XCCDF's words. Together they are all rules that the scanner reported."""

    passed: int = 0
    failed: int = 0
    error: int = 0
    unknown: int = 0
    notapplicable: int = 0
    notchecked: int = 0
    notselected: int = 0
    informational: int = 0
    fixed: int = 0

    @property
    def not_passed(self) -> int:
        """Rules that were tested, or should have been, and did not pass."""
        return self.failed + self.error + self.unknown

    @property
    def evaluated(self) -> int:
        """Rules that count: the others say nothing about the machine."""
        return self.passed + self.fixed + self.not_passed


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFinding:
    """A rule that did not pass: `result` is `fail`, `error` or `unknown`; `rule` is its id without prefix."""

    rule: str
    result: str
    severity: Severity
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One scan; `profile` is the id without prefix, `score` is the scanner's own, 0 to 100.

    `error` and `unknown` results are findings: a rule that could not be tested has not passed. `benchmark` is the
    scanner's content by name and version (`RHEL-9 0.1.76`), empty where it is not known: another version has other
    rules and gives the same machine another score. `passed` has the ids of the rules that passed, without prefix;
    empty where they are not known.
    """

    profile: str
    score: float
    counts: RuleCounts
    findings: tuple[RuleFinding, ...] = ()
    simulated: bool = False
    benchmark: str = ""
    passed: frozenset[str] = frozenset()

    def score_without(self, waived: Collection[str]) -> float:
        """The score as if the rules `waived` had passed. Each finding has the same share of the lost points."""
        forgiven = sum(1 for finding in self.findings if finding.rule in waived)
        if not forgiven:
            return self.score
        if forgiven == len(self.findings):
            return 100.0
        return self.score + (100.0 - self.score) * forgiven / len(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedScan:
    """The scan that decides: `tailoring` is a file of the bundle, `min_score` is 0 to 100."""

    profile: str
    min_score: int
    tailoring: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentScore:
    """What a child is compared with: the scan of the exact parent version.

    `score` is the scanner's own, None where nothing was scanned. `passed` and `failed` are the ids of rules, empty
    where they are not known. `lost` is empty, or says which record of the scan cannot be found.
    """

    parent: str
    profile: str = ""
    score: float | None = None
    benchmark: str = ""
    passed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    lost: str = ""


def short_id(text: str) -> str:
    """The id of a rule or a profile without the prefix that names its publisher."""
    return _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
