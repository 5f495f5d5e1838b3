"""What is below SecOps' floor in an image, or over a limit: in its definition, and in its live version. Pure.

A definition that asks for no scan is not below the floor: the scan that the floor demands is made and judged anyway.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.machine_sizes import cores_of
from pipeline_core.domain.names import ImageName, Region, TeamName
from pipeline_core.domain.policy import ComplianceFloor, Policy
from pipeline_core.domain.sources import MarketplaceSource, Origin
from pipeline_core.domain.verdicts import Verdict

_KEPT = 20  # waivers that fit into a registration; a definition with more is read again instead
_NAMED = 10  # allowed values that a remedy lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """The promises of a definition for which SecOps sets a floor, except those that every registration holds.

    `profile` is None where it asks for no scan. `asked` counts the waivers that it asks for. `waivers` are owner and
    day of those that name a day: a release that believed the owner compares them with its policy. `replicas` are those
    of each region, in order. Registrations of older releases have no size, timeout and replicas.
    """

    profile: str | None = None
    min_score: int = 0
    waivers: tuple[tuple[str, date], ...] = ()
    regions: tuple[Region, ...] = ()
    os_disk_gb: int | None = None
    asked: int = 0
    vm_size: str = ""
    timeout: timedelta | None = None
    replicas: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveScan:
    """The scan with which a live version passed its gates. The score includes what its waivers gave back.

    `benchmark` is the scanner's content by name and version; empty where it is not known.
    """

    profile: str
    score: float
    benchmark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One thing below the floor: `path` is its place in the definition, or the live version's number."""

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """One line, for a list that a person reads."""
        return f"{self.path}: {self.message}"


def promises_of(definition: ImageDefinition) -> Promises:
    """All of a definition's promises."""
    target = definition.verify.compliance
    scans = () if target is None else target.waivers
    return Promises(
        profile=None if target is None else target.profile,
        min_score=0 if target is None else target.min_score,
        waivers=tuple((each.owner, each.expires) for each in scans if each.expires is not None),
        asked=len(scans) + len(definition.verify.waivers),
        regions=tuple(region.name for region in definition.publish.regions),
        os_disk_gb=definition.build.os_disk_gb,
        vm_size=definition.build.vm_size,
        timeout=definition.build.timeout,
        replicas=tuple(region.replicas for region in definition.publish.regions),
    )


def kept_promises(definition: ImageDefinition) -> Promises | None:
    """The promises as a registration keeps them; None where there are too many waivers to keep."""
    promises = promises_of(definition)
    return promises if len(promises.waivers) <= _KEPT else None


def scan_of(verdicts: Iterable[Verdict]) -> LiveScan | None:
    """The scan that these verdicts report, or None where nothing was scanned."""
    for verdict in verdicts:
        if verdict.gate == "compliance" and verdict.score is not None and verdict.profile:
            return LiveScan(profile=verdict.profile, score=verdict.score, benchmark=verdict.benchmark)
    return None


def breaches(
    promises: Promises,
    *,
    origin: Origin,
    catalog: tuple[str, ...],
    max_age: timedelta | None,
    policy: Policy,
    root: ImageName,
    team: TeamName,
) -> Iterator[Breach]:
    """Everything in a definition that is below the floor of its base or over a limit of its team, which is named.

    `max_age` is the length of the refresh period in force: SecOps' own where the definition names none.
    """
    yield from _of_compliance(promises, policy, root)
    yield from _of_lists(promises, origin, catalog, policy)
    yield from _of_disk(promises, policy)
    yield from _of_limits(promises, policy, team)
    longest = policy.longest_max_age
    if longest is not None and (max_age is None or max_age > longest):
        yield Breach(
            path="spec.rebuild.maxAge",
            message=f"is {span(max_age)}, and {_policy(policy)} allows {span(longest)} at most",
            remedy=f"give {span(longest)} or less, or leave it out and register again: SecOps' rule then holds",
        )


def live_breaches(
    version: str, scan: LiveScan | None, *, policy: Policy, root: ImageName
) -> Iterator[Breach]:
    """Why the scan of a live version would not pass today.

    Severities are not checked: the failed rules are evidence of the build, not a fact of the version.
    """
    floor = policy.floor(root)
    demand = _floor(policy, root)
    remedy = "rebuild the image: it is scanned and judged by the floor in force"
    if scan is None:
        if floor.profile is not None:
            cause = f"no scan of it is known, and {demand} demands {floor.profile!r}"
            yield Breach(path=version, message=cause, remedy=remedy)
        return
    if floor.profile not in (None, scan.profile):
        cause = f"was scanned by {scan.profile!r}, and {demand} demands {floor.profile!r}"
        yield Breach(path=version, message=cause, remedy=remedy)
    elif scan.score < floor.min_score:
        cause = f"scored {scan.score:g}, and {demand} demands {floor.min_score}"
        yield Breach(path=version, message=cause, remedy=remedy)


def span(length: timedelta | None) -> str:
    """A length of time as a document writes it: `30d`, `12h`."""
    if length is None:
        return "without a limit"
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _of_compliance(promises: Promises, policy: Policy, root: ImageName) -> Iterator[Breach]:
    floor: ComplianceFloor = policy.floor(root)
    if promises.profile is None:
        return
    if floor.profile not in (None, promises.profile):
        yield Breach(
            path="spec.verify.compliance.profile",
            message=f"is {promises.profile!r}, and {_floor(policy, root)} demands {floor.profile!r}",
            remedy=f"give {floor.profile!r}, or leave compliance out: SecOps' profile is scanned anyway",
        )
    if promises.min_score < floor.min_score:
        yield Breach(
            path="spec.verify.compliance.minScore",
            message=f"is {promises.min_score}, and {_floor(policy, root)} demands {floor.min_score}",
            remedy=f"give {floor.min_score} or more",
        )


def _of_lists(
    promises: Promises, origin: Origin, catalog: tuple[str, ...], policy: Policy
) -> Iterator[Breach]:
    if isinstance(origin, MarketplaceSource) and policy.sources:
        source = f"{origin.publisher}:{origin.offer}:{origin.sku}".lower()
        if source not in policy.sources:
            yield Breach(
                path="spec.marketplace",
                message=f"is {source}, which {_policy(policy)} does not allow as a source",
                remedy=f"use one of: {_some(policy.sources)}",
            )
    for position, region in enumerate(promises.regions):
        if policy.regions and region not in policy.regions:
            yield Breach(
                path=f"spec.publish.regions[{position}].name",
                message=f"is {str(region)!r}, which {_policy(policy)} does not allow as a region",
                remedy=f"use one of: {_some(map(str, policy.regions))}",
            )
    for position, tool in enumerate(catalog):
        if policy.catalog and tool not in policy.catalog:
            yield Breach(
                path=f"spec.build.catalog[{position}]",
                message=f"is {tool!r}, which {_policy(policy)} does not allow in an image",
                remedy=f"use one of: {_some(policy.catalog)}",
            )


def _of_disk(promises: Promises, policy: Policy) -> Iterator[Breach]:
    size, largest = promises.os_disk_gb, policy.largest_os_disk
    if size is not None and largest is not None and size > largest:
        yield Breach(
            path="spec.build.osDiskSizeGb",
            message=f"is {size}, and {_policy(policy)} allows {largest} at most",
            remedy=f"give {largest} or less, or leave it out",
        )


def _of_limits(promises: Promises, policy: Policy, team: TeamName) -> Iterator[Breach]:
    limits, by = policy.limits.of(team), limit_of(policy, team)
    if promises.vm_size and not limits.allow_size(promises.vm_size):
        yield Breach(
            path="spec.build.vmSize",
            message=f"is {promises.vm_size}, which {by} does not allow as a size of machines",
            remedy=f"use one of: {_some(limits.machine_sizes)}",
        )
    yield from _of_cores(promises, limits.cores, by)
    length = promises.timeout
    if limits.timeout is not None and length is not None and length > limits.timeout:
        yield Breach(
            path="spec.build.timeout",
            message=f"is {span(length)}, and {by} allows {span(limits.timeout)} at most",
            remedy=f"give {span(limits.timeout)} or less",
        )
    if limits.regions is not None and len(promises.regions) > limits.regions:
        yield Breach(
            path="spec.publish.regions",
            message=f"has {len(promises.regions)} regions, and {by} allows {limits.regions} at most",
            remedy=f"name {limits.regions} or fewer",
        )
    for position, replicas in enumerate(promises.replicas):
        if limits.replicas is not None and replicas > limits.replicas:
            yield Breach(
                path=f"spec.publish.regions[{position}].replicas",
                message=f"is {replicas}, and {by} allows {limits.replicas} at most",
                remedy=f"give {limits.replicas} or less",
            )


def _of_cores(promises: Promises, most: int | None, by: str) -> Iterator[Breach]:
    if most is None or not promises.vm_size:
        return
    cores = cores_of(promises.vm_size)
    if cores is None:
        yield Breach(
            path="spec.build.vmSize",
            message=f"is {promises.vm_size}, whose name does not say how many cores it has, and {by} counts cores",
            remedy="use a size whose name says it, like Standard_D2s_v5",
        )
    elif cores > most:
        yield Breach(
            path="spec.build.vmSize",
            message=f"is {promises.vm_size} with {cores} cores, and {by} allows {most} for all builds of the team",
            remedy=f"use a size with {most} cores or fewer",
        )


def limit_of(policy: Policy, team: TeamName) -> str:
    """Whose limit it is, for a message: that of one team, of the policy, or the factory's own without a policy."""
    whose = f"limit of team {team}" if team in policy.limits.teams else "limit"
    return f"the {whose} in {_policy(policy)}" if policy.revision else "the limit of the factory"


def _policy(policy: Policy) -> str:
    return f"policy {policy.revision}"


def _floor(policy: Policy, root: ImageName) -> str:
    whose = f"floor of {root}" if root in policy.bases else "floor"
    return f"the {whose} in {_policy(policy)}"


def _some(allowed: Iterable[str]) -> str:
    names = sorted(allowed)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
