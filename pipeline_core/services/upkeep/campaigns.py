"""The sweep's part on campaigns: show a campaign without progress for hours, and look at its images again.

A campaign has no row of its own. This module derives it from the active builds that carry its name: those that the
sweep has read, and those that wait in a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.names import BuildId, CampaignId, ImageName
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.builds import ActiveBuilds
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.upkeep.turns import share_of, turn_of
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

STALLED_AFTER = timedelta(hours=3)  # without a transition in any of a campaign's builds
_WOKEN = 20  # images of one campaign that one sweep asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignBuild:
    """One active build of a campaign, and since when it is in its phase."""

    build: BuildId
    campaign: CampaignId
    since: datetime

    @property
    def image(self) -> ImageName:
        """Its image."""
        return self.build.image


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSweep:
    """Finds campaigns without progress."""

    images: ImageStore
    effects: Effects

    def wake(self, active: ActiveBuilds, now: datetime, bulkhead: Bulkhead) -> int:
        """Set every stalled campaign going again; the number of these campaigns."""
        stalled = 0
        for campaign, members in _by_campaign(active).items():
            newest = max(members, key=_since)
            if now >= newest.since + STALLED_AFTER:
                stalled += 1
                bulkhead.run(str(campaign), partial(self._wake, members, newest, now))
        return stalled

    def _wake(self, members: Sequence[CampaignBuild], newest: CampaignBuild, now: datetime) -> bool:
        """`newest` is the build that moved last. The journal's entry is about this build until another one moves."""
        self.effects.logs.note("campaign-stalled", campaign=str(newest.campaign), builds=len(members))
        for member in share_of(sorted(members, key=_build), turn_of(now), _WOKEN):
            # The look repairs index rows and sees an input that has changed meanwhile. A step cannot do this.
            self.effects.outbox.rebuild(member.image, "campaign-stalled", member.campaign)
        stored = self.images.find_build(newest.build)
        if stored is None or stored.value.is_finished:
            return False
        build = stored.value
        detail = (
            f"none of the {len(members)} active builds of {newest.campaign} has moved since"
            f" {build.phase_since:%Y-%m-%d %H:%M} UTC; the factory looks at them again, some in each sweep"
        )
        key = standing_key(build.phase_since + STALLED_AFTER, f"{newest.campaign}/{build.id}/{build.seq}")
        entry = replace(self.effects.journal.of_build(build, Event.CAMPAIGN_STALLED, detail=detail), key=key)
        try:
            self.images.commit([records.add_entry(entry)])
        except AlreadyExists:
            return False
        return True


def _by_campaign(active: ActiveBuilds) -> dict[CampaignId, list[CampaignBuild]]:
    members: dict[CampaignId, list[CampaignBuild]] = {}
    running = [
        CampaignBuild(build=build.id, campaign=build.campaign, since=build.phase_since)
        for build in active.running
    ]
    waiting = [
        CampaignBuild(build=each.build, campaign=each.campaign, since=each.since)
        for each in active.lines.waiting.values()
        if each.campaign is not None
    ]
    known = {member.build for member in running}
    for member in (*running, *(each for each in waiting if each.build not in known)):
        members.setdefault(member.campaign, []).append(member)
    return members


def _since(member: CampaignBuild) -> tuple[datetime, str]:
    return member.since, str(member.build)


def _build(member: CampaignBuild) -> str:
    return str(member.build)
