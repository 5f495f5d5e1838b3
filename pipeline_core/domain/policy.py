"""SecOps' policy: the floor under every definition. A team may only be stricter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.names import Digest, ImageName, Region


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceFloor:
    """What every scan must reach. `profile` is required where it is set; `always_fail` are severities of which no
    rule may fail without a waiver; `ratchet` is how many points a child may score below its parent."""

    profile: str | None = None
    min_score: int = 0
    always_fail: frozenset[Severity] = frozenset()
    ratchet: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRules:
    """Who may grant waivers (e-mail addresses; empty: anybody) and for how long from the day of registration."""

    grantors: frozenset[str] = frozenset()
    longest: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the policy. `bases` overrides `compliance` for a base and all that descends from it.

    Empty `sources` (`publisher:offer:sku` in lower case), `regions` and `catalog` allow all; addresses of
    `waivers.grantors` are in lower case. `enforced_from` is when a raised floor begins to make
    what is live non-compliant; new builds and registrations are held to it at once.
    """

    revision: int
    compliance: ComplianceFloor = ComplianceFloor()
    bases: Mapping[ImageName, ComplianceFloor] = field(default_factory=dict)
    waivers: WaiverRules = WaiverRules()
    sources: frozenset[str] = frozenset()
    regions: frozenset[Region] = frozenset()
    catalog: frozenset[str] = frozenset()
    longest_max_age: timedelta | None = None
    enforced_from: datetime | None = None

    def floor(self, root: ImageName) -> ComplianceFloor:
        """The floor of every image that descends from `root`, `root` itself included."""
        return self.bases.get(root, self.compliance)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """Which document was put in force, by whom and when; `revision` counts from 1."""

    revision: int
    digest: Digest
    actor: str
    at: datetime


OPEN = Policy(revision=0)  # before SecOps has put any policy in force
