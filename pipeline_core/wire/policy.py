"""SecOps' policy document as a policy of the domain: strict keys, every error at once, kept by its digest.

Judges one document alone. It cannot know whether a base is registered.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from pipeline_core.domain import canonical
from pipeline_core.domain.compliance import Severity, short_id
from pipeline_core.domain.definitions import LARGEST_OS_DISK
from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.domain.lineage import MAX_IMAGES
from pipeline_core.domain.names import ImageName, Region, TeamName
from pipeline_core.domain.policy import ComplianceFloor, Policy, WaiverRules
from pipeline_core.domain.team_limits import CHANGES_PER_MINUTE, PerTeamLimits, PolicyLimits
from pipeline_core.wire.document import values
from pipeline_core.wire.document.part import Part, mapping_at
from pipeline_core.wire.document.problems import PROBLEM_LIMIT, path_of, problems_of
from pipeline_core.wire.document.text import DOCUMENT_LIMIT
from pipeline_core.wire.document.values import GRANTOR_RULE, seconds_of, shown
from pipeline_core.wire.problems import InvalidDocument, Problem

BASE_LIMIT = 100
TEAM_LIMIT = 200
RULE_LIMIT = 200

_Duration = Annotated[
    str,
    Field(json_schema_extra={"pattern": "^[1-9][0-9]{0,5}[smhd]$"}),
    AfterValidator(values.duration("1d", "365d")),
]
_Timeout = Annotated[
    str,
    Field(json_schema_extra={"pattern": "^[1-9][0-9]{0,5}[smhd]$"}),
    AfterValidator(values.duration("5m", "8h")),
]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Severity = Annotated[Severity, Field(strict=False)]  # a document holds the member's text


class Floor(Part):
    """The floor that every scan must reach. For a base, an absent key has the value that holds for all bases."""

    profile: values.ProfileText | None = None
    min_score: Annotated[int, Field(ge=0, le=100)] | None = None
    always_fail: Annotated[list[_Severity], Field(max_length=len(Severity))] | None = None
    ratchet: _Points | None = None
    min_share: _Points | None = None
    must_pass: Annotated[list[values.RuleText], Field(max_length=RULE_LIMIT)] | None = None

    def over(self, general: ComplianceFloor) -> ComplianceFloor:
        """This floor. The values of absent keys come from `general`."""
        return ComplianceFloor(
            profile=general.profile if self.profile is None else self.profile,
            min_score=general.min_score if self.min_score is None else self.min_score,
            always_fail=general.always_fail if self.always_fail is None else frozenset(self.always_fail),
            ratchet=general.ratchet if self.ratchet is None else self.ratchet,
            min_share=general.min_share if self.min_share is None else self.min_share,
            must_pass=general.must_pass
            if self.must_pass is None
            else frozenset(map(short_id, self.must_pass)),
        )


class Waivers(Part):
    """Who may grant waivers (an empty list: SecOps), and for how long."""

    grantors: Annotated[list[values.GrantorText], Field(max_length=100)] = Field(default_factory=list)
    longest: _Duration | None = None


class Source(Part):
    """A Marketplace image that bases may be built from."""

    publisher: values.SourceText
    offer: values.SourceText
    sku: values.SourceText


class LimitsPart(Part):
    """What one team may have. For a single team, an absent key has the value that holds for all teams."""

    images: Annotated[int, Field(ge=0, le=MAX_IMAGES)] | None = None
    builds: Annotated[int, Field(ge=1, le=1000)] | None = None
    cores: Annotated[int, Field(ge=1, le=100_000)] | None = None
    builds_per_day: _Count | None = None
    requests_per_day: _Count | None = None
    bundles_per_day: _Count | None = None
    machine_sizes: Annotated[list[values.SizeText], Field(max_length=100)] | None = None
    timeout: _Timeout | None = None
    replicas: Annotated[int, Field(ge=1, le=100)] | None = None
    regions: Annotated[int, Field(ge=1, le=50)] | None = None

    def over(self, general: PerTeamLimits) -> PerTeamLimits:
        """These limits. The values of absent keys come from `general`."""
        sizes = self.machine_sizes
        return PerTeamLimits(
            images=_given(self.images, general.images),
            builds=_given(self.builds, general.builds),
            cores=_given(self.cores, general.cores),
            builds_per_day=_given(self.builds_per_day, general.builds_per_day),
            requests_per_day=_given(self.requests_per_day, general.requests_per_day),
            bundles_per_day=_given(self.bundles_per_day, general.bundles_per_day),
            machine_sizes=general.machine_sizes
            if sizes is None
            else frozenset(each.lower() for each in sizes),
            timeout=general.timeout if self.timeout is None else seconds_of(self.timeout),
            replicas=_given(self.replicas, general.replicas),
            regions=_given(self.regions, general.regions),
        )


class AllLimitsPart(LimitsPart):
    """The limits of all teams, of single ones, and of a caller."""

    changes_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    teams: Annotated[dict[values.TeamText, LimitsPart], Field(max_length=TEAM_LIMIT)] = Field(
        default_factory=dict
    )

    def to_domain(self) -> PolicyLimits:
        """These limits over those that hold without a policy."""
        general = self.over(PerTeamLimits())
        return PolicyLimits(
            general=general,
            teams={TeamName(name): each.over(general) for name, each in self.teams.items()},
            changes_per_minute=_given(self.changes_per_minute, CHANGES_PER_MINUTE),
        )


class PolicyMetadata(Part):
    """Facts about this version, for people."""

    description: values.PlainText = ""


class PolicySpec(Part):
    """The floors and the lists; an empty list allows everything."""

    compliance: Floor = Floor()
    bases: Annotated[dict[values.ImageText, Floor], Field(max_length=BASE_LIMIT)] = Field(
        default_factory=dict
    )
    waivers: Waivers = Waivers()
    sources: Annotated[list[Source], Field(max_length=100)] = Field(default_factory=list)
    regions: Annotated[list[values.RegionText], Field(max_length=100)] = Field(default_factory=list)
    catalog: Annotated[list[values.ToolText], Field(max_length=200)] = Field(default_factory=list)
    max_age: _Duration | None = None
    max_os_disk_size_gb: Annotated[int, Field(ge=1, le=LARGEST_OS_DISK)] | None = None
    limits: AllLimitsPart = AllLimitsPart()
    enforced_from: values.DayText | None = None


class PolicyDocument(Part):
    """One policy document."""

    api_version: Literal["imagefactory/v1"]
    kind: Literal["Policy"]
    metadata: PolicyMetadata = PolicyMetadata()
    spec: PolicySpec


def parse_policy(document: Mapping[str, object], *, revision: int) -> Policy:
    """The policy as version `revision`; raises InvalidDocument with every problem of the document."""
    policy = _parse(document, revision, _addresses(mapping_at(document, "spec")))
    problems = [*_without_profile(policy)]
    if problems:
        raise InvalidDocument(problems)
    return policy


def parse_stored_policy(document: Mapping[str, object], *, revision: int) -> Policy:
    """The policy of a stored document, which a newer or an older release may have written.

    `metadata` is for people and holds no floor, so what is unknown there is left out. Any other key that is not known
    may be a floor: raises InvalidDocument, as `parse_policy` does. Grantors by e-mail address are read, and grant
    nothing.
    """
    known = {name: value for name, value in document.items() if name != "metadata"}
    return _parse(known, revision, ())


def _parse(document: Mapping[str, object], revision: int, others: Iterable[Problem]) -> Policy:
    problems: list[Problem] = []
    parsed: PolicyDocument | None = None
    try:
        parsed = PolicyDocument.model_validate(dict(document))
    except ValidationError as error:
        problems += problems_of(error, PolicyDocument)
    problems += islice(_doubles(mapping_at(document, "spec")), PROBLEM_LIMIT)
    problems += _size(document)
    problems += islice(others, PROBLEM_LIMIT)
    if problems or parsed is None:
        raise InvalidDocument(problems)
    return _policy(parsed.spec, revision)


def _without_profile(policy: Policy) -> Iterator[Problem]:
    """Demands on the rules of a scan, where nothing demands the scan: an image without one would pass."""
    floors = {"spec.compliance": policy.compliance}
    floors |= {f"spec.bases['{name}']": floor for name, floor in sorted(policy.bases.items(), key=str)}
    for path, floor in floors.items():
        if floor.profile is None and (floor.min_share or floor.must_pass):
            yield Problem(
                path=path,
                message="demands rules of a scan by minShare or mustPass, and no scan",
                remedy="name the profile of the scan",
            )


def _addresses(spec: Mapping[str, object]) -> Iterator[Problem]:
    """Grantors of the form that older releases took."""
    for position, grantor in enumerate(_lower(mapping_at(spec, "waivers").get("grantors"))):
        if "@" in grantor:
            yield Problem(
                path=f"spec.waivers.grantors[{position}]",
                message=f"is the e-mail address {shown(grantor)}, which no token proves",
                remedy=GRANTOR_RULE,
            )


def former_grantors(document: Mapping[str, object]) -> tuple[str, ...]:
    """The e-mail addresses among the grantors of a stored document: they grant nothing."""
    spec = mapping_at(document, "spec")
    return tuple(each for each in _lower(mapping_at(spec, "waivers").get("grantors")) if "@" in each)


def policy_blob(document: Mapping[str, object]) -> bytes:
    """Canonical JSON of a document that `parse_policy` has accepted. The same document gives the same bytes."""
    return canonical.text(document)


def read_policy_blob(content: bytes) -> dict[str, object]:
    """The document that `policy_blob` wrote; raises MalformedMessage."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise MalformedMessage(f"the content is not a policy document: {error}") from error
    if not isinstance(document, dict):
        raise MalformedMessage("the content is not a policy document: it is not a mapping")
    return document


def _policy(spec: PolicySpec, revision: int) -> Policy:
    general = spec.compliance.over(ComplianceFloor())
    longest = spec.waivers.longest
    return Policy(
        revision=revision,
        compliance=general,
        bases={ImageName(name): floor.over(general) for name, floor in spec.bases.items()},
        waivers=WaiverRules(
            grantors=frozenset(each.lower() for each in spec.waivers.grantors),
            longest=None if longest is None else seconds_of(longest),
        ),
        sources=frozenset(f"{each.publisher}:{each.offer}:{each.sku}".lower() for each in spec.sources),
        regions=frozenset(map(Region, spec.regions)),
        catalog=frozenset(spec.catalog),
        longest_max_age=None if spec.max_age is None else seconds_of(spec.max_age),
        largest_os_disk=spec.max_os_disk_size_gb,
        limits=spec.limits.to_domain(),
        enforced_from=None if spec.enforced_from is None else _midnight(spec.enforced_from),
    )


_Number = TypeVar("_Number", int, int | None)


def _given(value: int | None, general: _Number) -> int | _Number:
    return general if value is None else value


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), tzinfo=UTC)


def _size(document: Mapping[str, object]) -> Iterator[Problem]:
    """The limit of a document: one that comes over HTTP as JSON has not passed the reader of YAML."""
    try:
        size = len(policy_blob(document))
    except (ValueError, TypeError):
        yield Problem(
            path="document",
            message="holds values that JSON cannot hold",
            remedy="give texts, numbers and lists",
        )
        return
    if size > DOCUMENT_LIMIT:
        yield Problem(
            path="document",
            message=f"has {size} bytes",
            remedy=f"keep it under {DOCUMENT_LIMIT // 1024} KiB",
        )


def _doubles(spec: Mapping[str, object]) -> Iterator[Problem]:
    """Entries that a list of the raw document has twice. They are reported beside the errors of the schema."""
    yield from _again("spec.waivers.grantors", _lower(mapping_at(spec, "waivers").get("grantors")))
    yield from _again("spec.regions", _lower(spec.get("regions")))
    yield from _again("spec.catalog", _lower(spec.get("catalog")))
    yield from _again("spec.sources", _sources(spec.get("sources")))
    yield from _again("spec.compliance.alwaysFail", _lower(mapping_at(spec, "compliance").get("alwaysFail")))
    for base in islice(mapping_at(spec, "bases"), BASE_LIMIT):
        found = mapping_at(spec, "bases", base).get("alwaysFail")
        yield from _again(path_of(("spec", "bases", base, "alwaysFail")), _lower(found))
    yield from _again("spec.limits.machineSizes", _lower(mapping_at(spec, "limits").get("machineSizes")))
    for team in islice(mapping_at(spec, "limits", "teams"), TEAM_LIMIT):
        sizes = mapping_at(spec, "limits", "teams", team).get("machineSizes")
        yield from _again(path_of(("spec", "limits", "teams", team, "machineSizes")), _lower(sizes))


def _again(path: str, entries: Iterable[str]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for position, entry in enumerate(entries):
        if entry and entry in seen:
            yield Problem(
                path=f"{path}[{position}]",
                message=f"has {shown(entry)} again, after {path}[{seen[entry]}]",
                remedy="keep one of them",
            )
        seen.setdefault(entry, position)


def _lower(entries: object) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else ():
        yield entry.lower() if isinstance(entry, str) else ""


def _sources(entries: object) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else ():
        parts = [entry.get(key) for key in ("publisher", "offer", "sku")] if isinstance(entry, dict) else []
        yield ":".join(map(str, parts)).lower()
