"""Count what teams use on one day, and refuse what is over their limits. SecOps are neither counted nor refused.

A row of counts that this release cannot read would hold its team back without an end, because it is not rewritten. So
its team goes on uncounted, with a log line each time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pipeline_core.domain import access, day_use
from pipeline_core.domain.day_use import DayCount, DayUse
from pipeline_core.domain.errors import OverLimit, UnreadableRow
from pipeline_core.domain.floors import limit_of
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.policy import Policy
from pipeline_core.ports import Clock, Logs, Principal
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state.concurrency import RACED, Unread, changing
from pipeline_core.state.limits.days import DayStore
from pipeline_core.state.records import Stored

_TEXT = 500  # characters of an error that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimits:
    """A count costs two point reads and one write of the team's own row; a refusal costs the reads.

    No team's count is read for another team, so a team over its limit holds up nobody else.
    """

    policies: Policies
    days: DayStore
    clock: Clock
    logs: Logs

    def admit_request(self, team: TeamName, caller: Principal) -> Callable[[], None]:
        """What counts a rebuild that the caller asks for, to be called once the request is recorded.

        A request that is counted first and not recorded would count again when it is sent again. Raises OverLimit where
        the team has asked for too many. Requests at the same moment may pass the limit together.
        """
        if _is_secops(caller):
            return _count_nothing
        policy = self.policies.usable()
        try:
            stored = self.days.find(team)
        except UnreadableRow as error:
            self._note(team, error)
            return _count_nothing
        refusal = self._refusal(team, stored, DayCount.REQUESTS, policy)
        if refusal is not None:
            raise refusal
        return partial(self._count, team, DayCount.REQUESTS, known=stored)

    def find_full(self, caller: Principal) -> OverLimit | None:
        """Why the caller may store no new bundle: every team of the caller is at its limit. None where one is not."""
        if _is_secops(caller):
            return None
        policy, refusal = self.policies.usable(), None
        for team in _teams_of(caller):
            try:
                stored = self.days.find(team)
            except UnreadableRow as error:
                self._note(team, error)
                return None
            refusal = self._refusal(team, stored, DayCount.BUNDLES, policy)
            if refusal is None:
                return None
        return refusal

    def count_bundle(self, caller: Principal) -> None:
        """Count a bundle that was stored just now, for each team of the caller: all of them own it."""
        if not _is_secops(caller):
            for team in _teams_of(caller):
                self._count(team, DayCount.BUNDLES)

    def _count(
        self, team: TeamName, what: DayCount, *, known: Stored[DayUse] | Unread | None = Unread.UNREAD
    ) -> None:
        """Count one more. `known` is the row as it was just read."""

        def count(stored: Stored[DayUse] | None) -> None:
            use = self._today(stored).after(what)
            self.days.save(team, use, etag=None if stored is None else stored.etag)

        try:
            changing(
                lambda: self.days.find(team),
                count,
                subject=f"the counts of team {team}",
                known=known,
                lost=RACED,
            )
        except UnreadableRow as error:
            self._note(team, error)

    def _note(self, team: TeamName, error: UnreadableRow) -> None:
        self.logs.note("day-not-counted", team=str(team), error=str(error)[:_TEXT])

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


def _count_nothing() -> None:
    return None


def _is_secops(caller: Principal) -> bool:
    return access.ADMIN in caller.roles


def _teams_of(caller: Principal) -> list[TeamName]:
    return sorted(caller.teams, key=str)
