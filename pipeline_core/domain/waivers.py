"""Which waivers count: a definition asks for one, and only a grant by SecOps makes it count. Pure.

A waiver that nobody granted, or whose grant has ended, counts as not there: no image is worse off by asking for one.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, unique

from pipeline_core.domain.compliance import short_id
from pipeline_core.domain.definitions import ImageDefinition, Verification, Waiver, WaiverKind
from pipeline_core.domain.floors import Breach, span
from pipeline_core.domain.grants import GrantDecision, ends_soon, has_ended
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.policy import Policy, WaiverRules


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverGrant:
    """The newest decisions about one waiver of an image. `until` is its last day.

    `team` owned the image when it was granted: a grant does not pass to another team. `rule` is without prefix for a
    scan, and the name of an invariant; `path` is for hygiene findings alone. `revision` counts the changes.
    """

    image: ImageName
    team: TeamName
    kind: WaiverKind
    rule: str
    path: str = ""
    until: date
    granted: GrantDecision
    withdrawn: GrantDecision | None = None
    revision: int = 0


@unique
class WaiverState(Enum):
    """Whether a waiver counts."""

    GRANTED = "granted"  # it counts
    ASKED = "asked"  # nobody granted it
    ENDED = "ended"  # the last day of its grant has passed
    WITHDRAWN = "withdrawn"  # its grant was withdrawn
    UNREADABLE = "unreadable"  # this release cannot read its grant
    TOO_LONG = "too-long"  # it was granted for longer than the policy in force allows
    UNASKED = "unasked"  # its grant holds, and the definition does not ask for it


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWaiver:
    """A waiver that a definition asks for, the grant that was found for it, and whether it counts.

    Where only the grant is there, `asked` is of `request_of`, without a reason.
    """

    image: ImageName
    asked: Waiver
    state: WaiverState
    grant: WaiverGrant | None = None

    @property
    def counts(self) -> bool:
        """True where the rule is waived today."""
        return self.state is WaiverState.GRANTED

    @property
    def is_missing(self) -> bool:
        """True where the definition asks for it, and it does not count."""
        return self.state not in (WaiverState.GRANTED, WaiverState.UNASKED)

    @property
    def rule(self) -> str:
        """The rule without prefix."""
        return rule_of(self.asked.kind, self.asked.rule)

    @property
    def told(self) -> str:
        """Who granted it, when and until when; or why it does not count, for a verdict."""
        grant = self.grant
        if grant is None:
            return _WITHOUT_GRANT[self.state]
        made = grant.granted
        match self.state:
            case WaiverState.WITHDRAWN if grant.withdrawn is not None:
                return f"withdrawn by {grant.withdrawn.who} on {grant.withdrawn.at:%Y-%m-%d}"
            case WaiverState.ENDED:
                return f"its grant by {made.who} ended on {grant.until}"
            case WaiverState.TOO_LONG:
                return f"granted by {made.who} until {grant.until}, longer than SecOps allows now"
            case _:
                return f"granted by {made.who} on {made.at:%Y-%m-%d} until {grant.until}"

    @property
    def remedy(self) -> str:
        """The command that grants it."""
        kind = "" if self.asked.kind is WaiverKind.SCAN else f" --kind {self.asked.kind.value}"
        path = f" --path {self.asked.path}" if self.asked.path else ""
        return f"`imagefactory waivers grant {self.image} {self.rule}{kind}{path} --until DAY --reason TEXT`"


_WITHOUT_GRANT = {
    WaiverState.ASKED: "asked for, and granted by nobody",
    WaiverState.UNREADABLE: "granted by a record that cannot be read (`imagefactory state unreadable`)",
    WaiverState.GRANTED: "granted",  # of a build whose records were lost
}


def rule_of(kind: WaiverKind, rule: str) -> str:
    """The rule as grants name it: the id of a scan's rule without the prefix that names its publisher."""
    return short_id(rule) if kind is WaiverKind.SCAN else rule


def asked_by(verify: Verification) -> tuple[Waiver, ...]:
    """Every waiver that a definition asks for, in its order: of scans first."""
    scans = () if verify.compliance is None else verify.compliance.waivers
    return (*scans, *verify.waivers)


def request_of(grant: WaiverGrant) -> Waiver:
    """What a definition would ask for, to use this grant. It has no reason, because no team gave one."""
    return Waiver(rule=grant.rule, reason="", kind=grant.kind, path=grant.path)


def judge(
    definition: ImageDefinition,
    grants: Iterable[WaiverGrant],
    *,
    today: date,
    rules: WaiverRules,
    unreadable: Collection[Waiver] = (),
) -> tuple[JudgedWaiver, ...]:
    """Each waiver that the definition asks for, held against the image's grants and the policy of this moment.

    `unreadable` has those whose grant is there and cannot be read: they count as not granted, and say so.
    """
    known = {(grant.kind, grant.rule, grant.path): grant for grant in grants if grant.team == definition.team}
    found = []
    for asked in asked_by(definition.verify):
        grant = known.get((asked.kind, rule_of(asked.kind, asked.rule), asked.path))
        state = WaiverState.UNREADABLE if asked in unreadable else WaiverState.ASKED
        if grant is not None:
            state = state_of(grant, today=today, rules=rules)
        found.append(JudgedWaiver(image=definition.name, asked=asked, state=state, grant=grant))
    return tuple(found)


def unasked(
    definition: ImageDefinition, grants: Iterable[WaiverGrant], *, today: date, rules: WaiverRules
) -> tuple[JudgedWaiver, ...]:
    """The grants that the definition does not ask for, and that would count again as soon as it did."""
    wanted = {
        (asked.kind, rule_of(asked.kind, asked.rule), asked.path) for asked in asked_by(definition.verify)
    }
    return tuple(
        JudgedWaiver(image=definition.name, asked=request_of(grant), state=WaiverState.UNASKED, grant=grant)
        for grant in grants
        if grant.team == definition.team
        and (grant.kind, grant.rule, grant.path) not in wanted
        and state_of(grant, today=today, rules=rules) is WaiverState.GRANTED
    )


def state_of(grant: WaiverGrant, *, today: date, rules: WaiverRules) -> WaiverState:
    """Where a grant stands. A policy that was made shorter also holds for what was granted before."""
    if grant.withdrawn is not None:
        return WaiverState.WITHDRAWN
    if has_ended(grant.until, today):
        return WaiverState.ENDED
    if rules.is_too_long(grant.until, grant.granted.at.date()):
        return WaiverState.TOO_LONG
    return WaiverState.GRANTED


def is_ending(judged: JudgedWaiver, today: date) -> bool:
    """True for a waiver that counts and ends soon."""
    return judged.counts and judged.grant is not None and ends_soon(judged.grant.until, today)


def refusals(definition: ImageDefinition, policy: Policy, today: date) -> Iterator[Breach]:
    """What a registration is refused with: a day that has passed, or one that no grant may reach."""
    target = definition.verify.compliance
    longest = policy.waivers.longest
    for position, asked in enumerate(() if target is None else target.waivers):
        place = f"spec.verify.compliance.waivers[{position}].expires"
        if asked.expires is None:
            continue
        if has_ended(asked.expires, today):
            yield Breach(
                path=place,
                message=f"is {asked.expires}, which has passed: the waiver of {asked.rule} would count as not there",
                remedy="remove the waiver, or leave `expires` out and ask SecOps to grant it",
            )
        elif longest is not None and policy.waivers.is_too_long(asked.expires, today):
            yield Breach(
                path=place,
                message=f"is {asked.expires}, and policy {policy.revision} lets a waiver last {span(longest)}",
                remedy=f"give {today + longest} or earlier, or leave it out; it can be granted again",
            )


def missing(judged: Sequence[JudgedWaiver]) -> str:
    """What to ask for, where waivers do not count; empty where all do."""
    return "; ".join(f"{each.rule} is {each.told}: ask SecOps to run {each.remedy}" for each in judged)
