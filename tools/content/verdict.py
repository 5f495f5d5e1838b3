"""Holds the scans of a hardened root against what is promised: the share of the rules, and a reason for each other one.

The reasons are data, in `reasons.json`. A rule without a reason is a finding, and so is a reason without such a rule.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.content.harden import HardenedRoot
from tools.content.scan import RootScan

REASONS: Final = Path(__file__).parent / "reasons.json"
SHARE: Final = 97.0  # percent of the rules of cis_server_l1 that a made root can answer
OTHERS: Final = 28  # at most so many rules of cis_server_l1 do not pass, with those that are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReasons:
    """Why rules cannot be answered by a made root, and why others fail, by profile."""

    unanswered: Mapping[str, str]
    failing: Mapping[str, Mapping[str, str]]


def reasons() -> RuleReasons:
    """The committed ones."""
    document = json.loads(REASONS.read_text(encoding="utf-8"))
    return RuleReasons(unanswered=document["unanswered"], failing=document["failing"])


def findings(after: RootScan, known: RuleReasons) -> Iterator[str]:
    """What is wrong with a hardened root: one line each."""
    told = set(known.failing[after.profile])
    failing = after.failing() - set(known.unanswered)
    for rule in sorted(failing - told):
        yield f"{after.profile}: {rule} fails, and reasons.json has no reason for it"
    for rule in sorted(told - failing):
        yield f"{after.profile}: {rule} does not fail, so take its reason out of reasons.json"
    for rule in sorted(after.severe() & failing):
        yield f"{after.profile}: {rule} is of severity high and fails"


def rows(hardened: HardenedRoot, known: RuleReasons) -> Iterator[str]:
    """The four rows of a profile, as docs/hardening.md has them."""
    yield table("not hardened", hardened.before, known)
    yield table("not hardened, without SecOps' exceptions", hardened.raw_before, known)
    yield table("hardened", hardened.after, known)
    yield table("hardened, without SecOps' exceptions", hardened.raw_after, known)


def table(title: str, scan: RootScan, known: RuleReasons) -> str:
    """One row of the page: counts, share and score."""
    counts = scan.counts
    unanswered = frozenset(known.unanswered)
    failing = len(scan.failing() - unanswered)
    return (
        f"| `{scan.profile}` | {title} | {counts['pass']} | {failing} | {len(scan.failing() & unanswered)} | "
        f"{counts['notapplicable'] + counts['notchecked']} | {scan.share(unanswered):.1f} % | {scan.score:.1f} |"
    )
