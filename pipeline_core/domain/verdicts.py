"""What was tested and what was decided about it: a check comes from the builder, a verdict from a gate."""

from dataclasses import dataclass

EVIDENCE_LIMIT = 1000  # characters of a verdict's text: a build keeps all of its verdicts in its row


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the builder tested: `boot`, `goss`, `smoke`, `compliance` or `hygiene`.

    `score` is 0 to 100 and only for compliance; `simulated` says that a recorded run answered.
    """

    name: str
    passed: bool
    detail: str = ""
    score: float | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate decided, and on what evidence; `score` (0 to 100) only where the gate compares scores.

    The score is by `profile` and includes what valid waivers give back. `scanned` is the scanner's own score, with
    which the children of the image are compared.
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
