"""The sweep's part on builds: set builds going again, announce ends that were not announced, show late builds.

It moves no pending or running build itself. It sends the message that was lost. The step then reads whether a
deadline has passed, a heartbeat is lost, or a container has ended without an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain import dispatch
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.services.builds.completion import Completion
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

# After this time in one phase a build is shown as late. It goes on all the same. A definition may give a build
# 8 hours. A longer wait in a phase with a container is a wait for quota or for the budget of creations.
EXPECTED: Mapping[Phase, timedelta] = {
    Phase.PENDING: timedelta(hours=6),
    Phase.BUILDING: timedelta(hours=10),
    Phase.VERIFYING: timedelta(hours=10),
    Phase.PUBLISHING: timedelta(hours=2),
}
_WHY = {
    Phase.PENDING: "no slot was free; see which builds hold the slots, or raise the limits",
    Phase.BUILDING: "it waits for quota, capacity or the hourly budget of container creations",
    Phase.VERIFYING: "it waits for quota, capacity or the hourly budget of container creations",
    Phase.PUBLISHING: "the gallery still replicates the version; the factory watches it until that ends",
}


@dataclass(slots=True, kw_only=True)
class ActiveBuilds:
    """The builds without an announced end, as one sweep knows them."""

    known: set[BuildId] = field(default_factory=set)
    builds: list[Stored[Build]] = field(default_factory=list)

    @property
    def running(self) -> list[Build]:
        """The builds that have not ended."""
        return [stored.value for stored in self.builds if not stored.value.is_finished]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSweep:
    """Reads the active builds, one row each, and sets builds without progress going again.

    It does not touch an unfinished build that is younger than `quiet` in its phase.
    """

    records: Records
    completion: Completion
    effects: Effects
    quiet: timedelta

    def read(self, active: ActiveBuilds, bulkhead: Bulkhead) -> int:
        """Take every build of the index; remove a row without a build."""
        for identity in list(self.records.index.active()):
            active.known.add(identity)
            bulkhead.run(str(identity), partial(self._take, active, identity))
        return len(active.builds)

    def adopt(self, active: ActiveBuilds, heads: Mapping[ImageName, ImageHead], bulkhead: Bulkhead) -> int:
        """Take also the builds that only an image's head names: their row in the index was lost."""
        lost = [
            head.active.build
            for head in heads.values()
            if head.active is not None and head.active.build not in active.known
        ]
        return sum(bulkhead.run(str(identity), partial(self._adopt, active, identity)) for identity in lost)

    def set_going(self, active: ActiveBuilds, now: datetime, bulkhead: Bulkhead) -> int:
        """Announce ends that were not announced; set each build going that is quiet for too long."""
        return sum(
            bulkhead.run(str(stored.value.id), partial(self._set_going, stored, now))
            for stored in active.builds
        )

    def show_late(
        self, active: ActiveBuilds, heads: Mapping[ImageName, ImageHead], now: datetime, bulkhead: Bulkhead
    ) -> int:
        """Show late builds: once in the journal, and in each sweep's log."""
        late = [build for build in active.running if now >= build.phase_since + EXPECTED[build.phase]]
        for build in late:
            bulkhead.run(str(build.id), partial(self._show, build, heads.get(build.image)))
        return len(late)

    def _take(self, active: ActiveBuilds, identity: BuildId) -> bool:
        stored = self.records.images.find_build(identity)
        if stored is None:
            self.records.index.remove_active(identity)
            return False
        active.builds.append(stored)
        return True

    def _adopt(self, active: ActiveBuilds, identity: BuildId) -> bool:
        stored = self.records.images.find_build(identity)
        if stored is None or (stored.value.is_finished and not stored.value.announce):
            return False
        self.records.index.add_active(identity)
        active.known.add(identity)
        active.builds.append(stored)
        return True

    def _set_going(self, stored: Stored[Build], now: datetime) -> bool:
        build = stored.value
        if build.is_finished and build.announce:
            self.completion.announce(stored)
        elif build.is_finished:
            self.records.index.remove_active(build.id)
        elif now < build.phase_since + self.quiet:
            return False
        elif build.phase is Phase.PENDING and not build.is_stopping:
            self.records.index.add_pending(dispatch.row_of(build, now), again=True)
        else:
            self.effects.outbox.step(build, reason="swept", once=True)
        return True

    def _show(self, build: Build, head: ImageHead | None) -> bool:
        expected = EXPECTED[build.phase]
        self.effects.logs.note(
            "build-late",
            image=str(build.image),
            build_id=str(build.id),
            campaign=str(build.campaign),
            phase=build.phase.value,
            hours=expected.total_seconds() / 3600,
        )
        detail = (
            f"{build.phase.value} since {build.phase_since:%Y-%m-%d %H:%M} UTC, longer than"
            f" {expected.total_seconds() / 3600:g} hours; {_WHY[build.phase]}"
        )
        # The key names this stay in the phase, so that no later sweep can add an entry for the same stay.
        key = standing_key(build.phase_since + expected, f"{build.id}/{build.seq}")
        entry = replace(self.effects.journal.of_build(build, Event.LATE, detail=detail), key=key)
        try:
            self.records.images.commit([records.add_entry(entry)], head=head)
        except AlreadyExists:
            return False
        return True
