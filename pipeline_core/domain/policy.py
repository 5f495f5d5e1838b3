"""SecOps' policy: the floor under every definition. A team may only be stricter."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from pipeline_core.domain import access
from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.names import Digest, ImageName, Region
from pipeline_core.domain.team_limits import DEFAULTS, PolicyLimits

ROLE = "role:"  # before the name of an app role, among the grantors


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRules:
    """Who may grant waivers and for how long from the day of the grant.

    `grantors` are object ids and `role:NAME`, in lower case. Documents of older releases name e-mail addresses, which
    prove nothing. Where no other grantor is named, SecOps grants.
    """

    grantors: frozenset[str] = frozenset()
    longest: timedelta | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """The grantors that no token can prove."""
        return frozenset(each for each in self.grantors if "@" in each)

    def may_grant(self, subject: str, roles: AbstractSet[str]) -> bool:
        """True where this object id, or one of these roles of the verified token, may grant a waiver."""
        named = self.grantors - self.addresses
        if not named:
            return access.ADMIN in roles
        return subject.lower() in named or any(f"{ROLE}{role}".lower() in named for role in roles)

    def is_too_long(self, until: date, granted: date) -> bool:
        """True where a waiver that was granted on a day may not last until another one."""
        return self.longest is not None and until > granted + self.longest


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceFloor:
    """What every scan must reach. `profile` is required where it is set; `always_fail` are severities of which no
    rule may fail without a waiver; `ratchet` is how many points a child may score below its parent; `min_share` is
    the percent of the evaluated rules that pass, where each rule counts the same; `must_pass` are ids of rules,
    without prefix, that pass or are waived; `waivers` says which waivers count: `Policy.floor` fills in the policy's
    own rules."""

    profile: str | None = None
    min_score: int = 0
    always_fail: frozenset[Severity] = frozenset()
    ratchet: float = 0.0
    min_share: float = 0.0
    must_pass: frozenset[str] = frozenset()
    waivers: WaiverRules = WaiverRules()

    def is_laxer(self, than: "ComplianceFloor") -> bool:
        """True where something that `than` refused may pass here.

        Another profile counts as laxer, and so does none. A first profile demands more than none, not less. Who may
        grant waivers does not count: a new grant wakes its image by itself.
        """
        mine, theirs = self.waivers, than.waivers
        if than.profile is not None and self.profile != than.profile:
            return True
        if self.min_score < than.min_score or self.ratchet > than.ratchet:
            return True
        if self.min_share < than.min_share or than.must_pass - self.must_pass:
            return True
        if than.always_fail - self.always_fail:
            return True
        return theirs.longest is not None and (mine.longest is None or mine.longest > theirs.longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the policy. `bases` overrides `compliance` for a base and all that descends from it.

    Empty `sources` (`publisher:offer:sku` in lower case), `regions` and `catalog` allow all. `limits` hold without a
    policy too. From `enforced_from` on, a raised floor makes live versions non-compliant. For new builds and
    registrations it holds at once.
    """

    revision: int
    compliance: ComplianceFloor = ComplianceFloor()
    bases: Mapping[ImageName, ComplianceFloor] = field(default_factory=dict)
    waivers: WaiverRules = WaiverRules()
    sources: frozenset[str] = frozenset()
    regions: frozenset[Region] = frozenset()
    catalog: frozenset[str] = frozenset()
    longest_max_age: timedelta | None = None
    largest_os_disk: int | None = None  # GB
    limits: PolicyLimits = DEFAULTS
    enforced_from: datetime | None = None

    def floor(self, root: ImageName) -> ComplianceFloor:
        """The floor of every image that descends from `root`, `root` itself included."""
        return replace(self.bases.get(root, self.compliance), waivers=self.waivers)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """Which document was put in force, by which person and when; `revision` counts from 1."""

    revision: int
    digest: Digest
    actor: str
    at: datetime
    identity: str | None = None


OPEN = Policy(revision=0)  # before SecOps has put any policy in force
