"""Whether a live version is the one that a statement proves. Pure: the statement's signature is checked before.

The resource id and the tags identify a version. The `subject` of a statement is the id, and its digest covers the
tags. A fact that is not in the statement is not taken as true.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_core.domain import attempts, canonical
from pipeline_core.domain.builds import Build
from pipeline_core.domain.names import Digest
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.verdicts import Verdict

_ALWAYS = ("boot", "hygiene")  # gates that no definition can decline


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one statement says. `digest` is its own; `tags` is the digest of the tags of its version."""

    digest: Digest
    subject: str
    tags: str
    build: str
    fingerprint: str
    verdicts: tuple[Verdict, ...]
    catalog: tuple[tuple[str, str, str], ...] = ()
    lane: Lane = Lane.BACKGROUND

    @property
    def simulated(self) -> tuple[str, ...]:
        """The gates that a recorded run answered."""
        return tuple(verdict.gate for verdict in self.verdicts if verdict.simulated)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInGallery:
    """A version as a gallery shows it: its resource id and its tags, all of them."""

    subject: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCheck:
    """The answer to one question; `detail` says what was compared where it does not hold, else what holds."""

    name: str
    holds: bool
    detail: str


def tags_of(build: Build) -> dict[str, str]:
    """The tags of a build's live version except the provenance. With the gallery they identify the version."""
    inputs = build.inputs
    return {
        attempts.BUILD_TAG: str(build.id),
        attempts.DEFINITION_TAG: str(build.definition),
        attempts.FINGERPRINT_TAG: str(build.fingerprint),
        attempts.IMAGE_TAG: str(build.image),
        attempts.ORIGIN_TAG: str(inputs.origin),
        attempts.PERIOD_TAG: str(inputs.period),
        attempts.PLATFORM_TAG: str(inputs.platform),
        attempts.TOKEN_TAG: "" if inputs.token is None else str(inputs.token),
    }


def tags_digest(tags: Mapping[str, str]) -> str:
    """SHA-256 over our tags except the provenance, as sorted JSON without white space, in UTF-8.

    Names are taken in lower case, because Azure ignores their case. Others may change their own tags.
    """
    ours = {
        name.lower(): value for name, value in tags.items() if name.lower().startswith(attempts.TAG_PREFIX)
    }
    ours.pop(attempts.PROVENANCE_TAG, None)
    return hashlib.sha256(canonical.tolerant_text(ours)).hexdigest()


def provenance_of(tags: Mapping[str, str]) -> str:
    """The digest of the statement that the tags name, or empty."""
    return _tag(tags, attempts.PROVENANCE_TAG)


def compare(proof: Proof, tagged_version: VersionInGallery) -> tuple[ProofCheck, ...]:
    """Every question about a version and the statement that its tags name, with its answer; none is left out."""
    shown = tags_digest(tagged_version.tags)
    refused = [verdict.gate for verdict in proof.verdicts if not verdict.passed]
    judged = {verdict.gate for verdict in proof.verdicts}
    missing = [gate for gate in _ALWAYS if gate not in judged]
    return (
        _equal("statement", "the tags name statement", str(proof.digest), provenance_of(tagged_version.tags)),
        _equal("subject", "it is about", proof.subject.lower(), tagged_version.subject.lower()),
        _equal("tags", "the tags have the digest", proof.tags, shown),
        _equal("build", "it was made by build", proof.build, _tag(tagged_version.tags, attempts.BUILD_TAG)),
        _equal(
            "fingerprint",
            "its input is",
            proof.fingerprint,
            _tag(tagged_version.tags, attempts.FINGERPRINT_TAG),
        ),
        _gates(refused, missing, sorted(judged)),
    )


def doubts(findings: tuple[ProofCheck, ...]) -> str:
    """Everything that does not hold, in one text; empty where all holds."""
    return "; ".join(finding.detail for finding in findings if not finding.holds)


def _equal(name: str, what: str, said: str, shown: str) -> ProofCheck:
    if said == shown:
        return ProofCheck(name=name, holds=True, detail=f"{what} {said}")
    detail = f"{what} {_quoted(said)} by the statement, {_quoted(shown)} by the version"
    return ProofCheck(name=name, holds=False, detail=detail)


def _gates(refused: list[str], missing: list[str], judged: list[str]) -> ProofCheck:
    if refused:
        return ProofCheck(name="gates", holds=False, detail=f"it did not pass {', '.join(refused)}")
    if missing:
        return ProofCheck(name="gates", holds=False, detail=f"there is no verdict of {', '.join(missing)}")
    return ProofCheck(name="gates", holds=True, detail=f"it passed {', '.join(judged)}")


def _tag(tags: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in tags.items() if name.lower() == wanted), "")


def _quoted(text: str) -> str:
    """Anybody may write tags and statements: the text is cut, and its control characters are escaped."""
    return json.dumps(text[:200]) if text else "nothing"
