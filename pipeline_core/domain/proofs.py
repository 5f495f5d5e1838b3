"""Whether a live version is the one that a statement proves. Pure: the statement's signature is checked before.

The resource id and the tags identify a version. The `subject` of a statement is the id, and its digest covers the
tags. A fact that is not in the statement is not taken as true. Id and tags can be given to another disk, so a second
signed record, the publication, holds what the gallery showed of the version when it was copied.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_core.domain import attempts, canonical
from pipeline_core.domain.builds import Build
from pipeline_core.domain.names import Digest
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.verdicts import Verdict

_ALWAYS = ("boot", "hygiene")  # gates that no definition can decline
_VERSION_ID = re.compile(r"/images/([^/]+)/versions/([^/]+)$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one statement says. `digest` is its own; `tags` is the digest of the tags of its version.

    `image`, `version` and `source`, the id of the quarantined version that was tested, are empty in a statement of a
    release that did not name them. A statement that names its source is completed by a `PublicationRecord`.
    """

    digest: Digest
    subject: str
    tags: str
    build: str
    fingerprint: str
    verdicts: tuple[Verdict, ...]
    image: str = ""
    version: str = ""
    source: str = ""
    catalog: tuple[tuple[str, str, str], ...] = ()
    lane: Lane = Lane.BACKGROUND

    @property
    def simulated(self) -> tuple[str, ...]:
        """The gates that a recorded run answered."""
        return tuple(verdict.gate for verdict in self.verdicts if verdict.simulated)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What a gallery shows of the way a version was made. Each is None or empty where it does not say.

    A version that is deleted and made anew under its number has another `published_at`: Azure sets it, nobody can, and
    a later change of the version leaves it (`publishingProfile.publishedDate`; Microsoft's models call it read-only,
    and Azure/azure-cli's recording test_image_version_end_of_life_date.yaml shows it unchanged by two updates).
    `source` is the resource id in `storageProfile.source.id`, `disk_gb` is `storageProfile.osDiskImage.sizeInGB`.
    """

    source: str = ""
    published_at: datetime | None = None
    disk_gb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRecord:
    """A second signed record: what the gallery showed of a version when it was copied, bound to its statement."""

    statement: str
    subject: str
    tags: str
    facts: VersionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInGallery:
    """A version as a gallery shows it: its resource id, its tags, all of them, and how it was made.

    `image` and `version` are the names that somebody asked for. They do not come from the answer.
    """

    subject: str
    tags: Mapping[str, str]
    image: str
    version: str
    facts: VersionFacts = VersionFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCheck:
    """The answer to one question; `detail` says what was compared where it does not hold, else what holds.

    `is_proven` is False where nothing speaks against the version and nothing signed speaks for it either.
    """

    name: str
    holds: bool
    detail: str
    is_proven: bool = True


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
        _named(proof, f"{tagged_version.image}@{tagged_version.version}"),
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


def compare_publication(
    proof: Proof, publication: PublicationRecord | None, shown: VersionInGallery
) -> tuple[ProofCheck, ...]:
    """Whether the version is the one that was copied: its source, and the facts that change when it is made anew.

    A statement of an older release knows neither. Then both checks hold, and are not proven.
    """
    if not proof.source:
        old = "the statement is older than records of publication: rebuild the image"
        return (_unknown("source", old), _unknown("publication", old))
    source = _source(proof.source, publication, shown.facts.source)
    if publication is None:
        at = published_text(shown.facts.published_at)
        detail = f"no signed record says that the version was published {f'at {at}' if at else 'at all'}"
        return (source, ProofCheck(name="publication", holds=False, detail=detail))
    return (source, _published(proof, publication, shown))


def doubts(findings: tuple[ProofCheck, ...]) -> str:
    """Everything that does not hold, in one text; empty where all holds."""
    return "; ".join(finding.detail for finding in findings if not finding.holds)


def published_text(at: datetime | None) -> str:
    """A time of publication as it is signed and compared, in UTC to the microsecond; empty where it is not known."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")


def parse_published(text: object) -> datetime | None:
    """The time that Azure shows, with seven digits behind the second; None for what is not a time with a zone."""
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _named(proof: Proof, wanted: str) -> ProofCheck:
    """Whether a statement is about the image and version that somebody asked for, by its subject and by its words."""
    found = _VERSION_ID.search(proof.subject)
    about = f"{found[1].lower()}@{found[2]}" if found else proof.subject
    said = (
        f"{proof.image or (found[1].lower() if found else '')}@{proof.version or (found[2] if found else '')}"
    )
    if about == said == wanted:
        return ProofCheck(name="image", holds=True, detail=f"it is about {wanted}")
    other = about if about != wanted else said
    return ProofCheck(
        name="image", holds=False, detail=f"the statement is about {_quoted(other)}, not about {wanted}"
    )


def _source(said: str, publication: PublicationRecord | None, shown: str) -> ProofCheck:
    """The source by the statement and by the version. A gallery that has never shown it proves nothing about it."""
    was_shown = publication is not None and publication.facts.source
    if not shown and not was_shown:
        return _unknown("source", "the gallery does not show what the version was made from")
    return _equal("source", "it was made from", said.lower(), shown.lower())


def _published(proof: Proof, publication: PublicationRecord, shown: VersionInGallery) -> ProofCheck:
    """The record against its statement, and each fact that it has against the version.

    The gallery may show later what it did not show when the record was signed. That is not another version: a fact
    that only the gallery has is unknown. Without the time nothing is proven, because it alone tells copies apart.
    """
    said_at, said_gb = published_text(publication.facts.published_at), _number(publication.facts.disk_gb)
    shown_gb = _number(shown.facts.disk_gb)
    names = (
        ("it completes the statement", publication.statement, str(proof.digest)),
        ("it is about", publication.subject.lower(), proof.subject.lower()),
        ("it names the tags", publication.tags, proof.tags),
    )
    facts = (
        ("it was published at", said_at, published_text(shown.facts.published_at)),
        ("its disk has the GB", said_gb, shown_gb),
    )
    pairs = (*names, *(fact for fact in facts if fact[1]))
    wrong = [
        f"{what} {_quoted(said)} by the record of its publication, {_quoted(found)} by the version"
        for what, said, found in pairs
        if said != found
    ]
    if wrong:
        return ProofCheck(name="publication", holds=False, detail=", ".join(wrong))
    lacks = "" if said_at else "when the version was published"
    if shown_gb and not said_gb:
        lacks = f"{lacks} and how large its disk is" if lacks else "how large its disk is"
    if lacks:
        return _unknown("publication", f"the record of its publication does not say {lacks}")
    return ProofCheck(name="publication", holds=True, detail=f"it was published at {said_at}")


def _number(count: int | None) -> str:
    return "" if count is None else str(count)


def _unknown(name: str, why: str) -> ProofCheck:
    return ProofCheck(name=name, holds=True, is_proven=False, detail=why)


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
