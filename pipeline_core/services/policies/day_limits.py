"""Count what teams use on one day, and refuse what is over their limits. SecOps are neither counted nor refused."""

from dataclasses import dataclass

from pipeline_core.domain import access, day_use
from pipeline_core.domain.day_use import DayCount, DayUse
from pipeline_core.domain.errors import OverLimit
from pipeline_core.domain.floors import limit_of
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.policy import Policy
from pipeline_core.ports import Clock, Principal
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.limits.days import DayStore
from pipeline_core.state.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimits:
    """A count costs two point reads and one write of the team's own row; a refusal costs the reads.

    No team's count is read for another team, so a team over its limit holds up nobody else.
    """

    policies: Policies
    days: DayStore
    clock: Clock

    def take_request(self, team: TeamName, caller: Principal) -> None:
        """Count a rebuild that the caller asks for. Raises OverLimit where the team has asked for too many."""
        if not _is_secops(caller):
            self._take(team, DayCount.REQUESTS, self.policies.usable())

    def find_full(self, caller: Principal) -> OverLimit | None:
        """Why the caller may store no new bundle: every team of the caller is at its limit. None where one is not."""
        if _is_secops(caller):
            return None
        policy, refusal = self.policies.usable(), None
        for team in _teams_of(caller):
            refusal = self._refusal(team, self.days.find(team), DayCount.BUNDLES, policy)
            if refusal is None:
                return None
        return refusal

    def count_bundle(self, caller: Principal) -> None:
        """Count a bundle that was stored just now, for each team of the caller: all of them own it."""
        if not _is_secops(caller):
            for team in _teams_of(caller):
                self._take(team, DayCount.BUNDLES, None)

    def _take(self, team: TeamName, what: DayCount, policy: Policy | None) -> None:
        """Count one more; with a policy only below its limit."""

        def take(stored: Stored[DayUse] | None) -> None:
            refusal = None if policy is None else self._refusal(team, stored, what, policy)
            if refusal is not None:
                raise refusal
            use = self._today(stored).after(what)
            self.days.save(team, use, etag=None if stored is None else stored.etag)

        changing(lambda: self.days.find(team), take, subject=f"the counts of team {team}", lost=RACED)

    def _refusal(
        self, team: TeamName, stored: Stored[DayUse] | None, what: DayCount, policy: Policy
    ) -> OverLimit | None:
        count, most = self._today(stored).count(what), policy.limits.of(team).a_day(what)
        if count < most:
            return None
        now = self.clock.now()
        end = day_use.end_of_day(now)
        text = (
            f"team {team} has {what.deed.format(count)} today, and {limit_of(policy, team)} allows {most}"
            f" (`limits.{what.value}`); the day ends at {end:%Y-%m-%d %H:%M} UTC"
        )
        return OverLimit(text, retry_after=end - now)

    def _today(self, stored: Stored[DayUse] | None) -> DayUse:
        return day_use.of_today(None if stored is None else stored.value, self.clock.now())


def _is_secops(caller: Principal) -> bool:
    return access.ADMIN in caller.roles


def _teams_of(caller: Principal) -> list[TeamName]:
    return sorted(caller.teams, key=str)
