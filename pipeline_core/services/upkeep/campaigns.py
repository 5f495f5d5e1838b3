"""The sweep's part on campaigns: show a campaign without progress for hours, and look at all its images again.

A campaign has no row of its own. This module derives it from the active builds that carry its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.names import CampaignId
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

STALLED_AFTER = timedelta(hours=3)  # without a transition in any of a campaign's builds


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSweep:
    """Finds campaigns without progress."""

    images: ImageStore
    effects: Effects

    def wake(self, running: Sequence[Build], now: datetime, bulkhead: Bulkhead) -> int:
        """Set every stalled campaign going again; the number of these campaigns."""
        stalled = 0
        for campaign, members in _by_campaign(running).items():
            newest = max(members, key=lambda build: (build.phase_since, str(build.id)))
            if now >= newest.phase_since + STALLED_AFTER:
                stalled += 1
                bulkhead.run(str(campaign), partial(self._wake, members, newest))
        return stalled

    def _wake(self, members: Sequence[Build], newest: Build) -> bool:
        """`newest` is the build that moved last. The journal's entry is about this build until another one moves."""
        self.effects.logs.note("campaign-stalled", campaign=str(newest.campaign), builds=len(members))
        for build in members:
            # The look repairs index rows and sees an input that has changed meanwhile. A step cannot do this.
            self.effects.outbox.rebuild(build.image, "campaign-stalled", build.campaign)
        detail = (
            f"none of the {len(members)} active builds of {newest.campaign} has moved since"
            f" {newest.phase_since:%Y-%m-%d %H:%M} UTC; the factory looks at all of them again"
        )
        key = standing_key(newest.phase_since + STALLED_AFTER, f"{newest.campaign}/{newest.id}/{newest.seq}")
        entry = replace(self.effects.journal.of_build(newest, Event.CAMPAIGN_STALLED, detail=detail), key=key)
        try:
            self.images.commit([records.add_entry(entry)])
        except AlreadyExists:
            return False
        return True


def _by_campaign(running: Sequence[Build]) -> dict[CampaignId, list[Build]]:
    members: dict[CampaignId, list[Build]] = {}
    for build in running:
        members.setdefault(build.campaign, []).append(build)
    return members
