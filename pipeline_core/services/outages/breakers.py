"""The open platform breakers as one pass of the dispatcher knows them. Read once, with one more row for each probe."""

from datetime import timedelta

from pipeline_core.domain import platform_breaker as decisions
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.ports import Clock
from pipeline_core.services.outages.outages import Outages
from pipeline_core.state.index import Index
from pipeline_core.state.records import Stored

_LOST = timedelta(
    minutes=2
)  # after this time the pass that chose the probe, or the step that ended it, has died


class Breakers:
    """One pass over the pending builds: whether anything may start, and which build may."""

    def __init__(self, index: Index, outages: Outages, clock: Clock, *, has_rows: bool) -> None:
        self._index = index
        self._outages = outages
        self._clock = clock
        self._open = list(outages.open()) if has_rows else []
        settled = [self._settle_lost(breaker) for breaker in self._open]
        if any(settled):
            self._open = list(outages.open())
        for breaker in self._open:
            if not breaker.holds_all and self._is_due(breaker):
                self._call(breaker)

    def hold_all(self) -> bool:
        """True where no build may start: a breaker holds everything, and its next probe is not due."""
        return any(breaker.holds_all and not self._is_due(breaker) for breaker in self._open)

    def admit(self, build: Build, row: Stored[PendingBuild]) -> tuple[str, ...] | None:
        """The breakers that the build probes, mostly none; None where it may not start now.

        Such a build leaves the lines, unless the breaker holds back all of them.
        """
        answer = self._outages.admit(build, self._open)
        if answer.held_by and not self._holds_all(answer.held_by):
            self._index.hold(answer.held_by, row)
        if answer.probes or any(self._is_due(each) for each in self._open if each.key == answer.held_by):
            self._open = list(self._outages.open())
        return None if answer.held_by else answer.probes

    def _settle_lost(self, breaker: PlatformBreaker) -> bool:
        """True where the probe shows nothing any more: it never began, has ended, or its row is lost. One read."""
        probe = breaker.probe
        if probe is None or self._clock.now() < probe.since + _LOST:
            return False
        try:
            stored = self._outages.records.images.find_build(probe.build)
        except UnreadableRow:
            stored = None
        if stored is None or stored.value.phase is Phase.PENDING:
            self._outages.not_begun(probe.build, [breaker.key])
        elif stored.value.is_finished:
            self._outages.follow_end(stored.value, breaker.key)
        else:
            return False
        return True

    def _call(self, breaker: PlatformBreaker) -> None:
        """Let the first of the builds that it holds back come to the line again: it is to be the probe."""
        for row in self._index.held(breaker.key, limit=1):
            self._index.let_go(breaker.key, row)

    def _is_due(self, breaker: PlatformBreaker) -> bool:
        return decisions.is_due(breaker, self._clock.now())

    def _holds_all(self, key: str) -> bool:
        return any(breaker.holds_all for breaker in self._open if breaker.key == key)
