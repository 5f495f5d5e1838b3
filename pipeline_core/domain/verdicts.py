"""What was tested and what was decided about it: a check comes from the builder, a verdict from a gate."""

from dataclasses import dataclass

from pipeline_core.domain.definitions import WaiverKind

EVIDENCE_LIMIT = 1000  # characters of a verdict's text: a build keeps all of its verdicts in its row


@dataclass(frozen=True, slots=True, kw_only=True)
class HygieneFinding:
    """One thing that must not be in an image: a finding by rule and path, or a failed platform test by name.

    `sha256` is of the file's content, in hex; it may be missing.
    """

    kind: WaiverKind
    rule: str
    path: str = ""
    what: str = ""
    sha256: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The paths by which a waiver may name it: with any content, or with this content alone."""
        # A file may be named like a waiver of another file's content.
        anything = () if "@sha256:" in self.path else (self.path,)
        return (*anything, f"{self.path}@sha256:{self.sha256}") if self.sha256 else anything

    def __str__(self) -> str:
        """One line, for a verdict."""
        if self.kind is WaiverKind.INVARIANT:
            return self.rule
        return f"{self.path}: {self.what} [{self.rule}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the builder tested: `boot`, `goss`, `smoke`, `ports`, `compliance` or `hygiene`.

    `score` is 0 to 100 and only for compliance; `simulated` says that a recorded run answered. `findings` are those of
    hygiene that have a name; `unnamed` counts the others, which nobody can waive.
    """

    name: str
    passed: bool
    detail: str = ""
    score: float | None = None
    simulated: bool = False
    findings: tuple[HygieneFinding, ...] = ()
    unnamed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate decided, and on what evidence; `score` (0 to 100) only where the gate compares scores.

    The score is by `profile` and includes what valid waivers give back. `scanned` is the scanner's own score, with
    which the children of the image are compared. `waived` has one line for each waiver that counted: what was
    waived, who granted it, when and until when. No limit cuts it, because it is signed.
    """

    gate: str
    passed: bool
    evidence: str
    simulated: bool = False
    score: float | None = None
    profile: str = ""
    scanned: float | None = None
    benchmark: str = ""
    held: bool = False
    waived: tuple[str, ...] = ()
