"""Counts what the platform answers to changes of `latest` that no build asks for, in the platform breakers.

Without it such a refusal would be seen by nobody: only builds count there.
"""

from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import latest_refusals
from pipeline_core.domain.errors import Contended, ErrorScope, PermanentError, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.leases import find_build_id
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.ports import GalleryImageVersion
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.outages.outages import Outages
from pipeline_core.state.outages.breakers import HarmedBuild
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestAnswers:
    """A refusal costs a few reads and a write. A change that is accepted costs one read where no breaker is open."""

    records: Records
    effects: Effects
    outages: Outages
    deployment: ErrorScope

    def refused(self, live: GalleryImageVersion, error: PermanentError) -> timedelta:
        """Count a refusal, which is never a team's. Gives the time until the next try, spread over half of it more.

        A version of an image that was never built here is only logged: no build could be named.
        """
        effects, records = self.effects, self.records
        effects.logs.note(
            "latest-refused", image=str(live.image), version=str(live.version), error=str(error)[:600]
        )
        spread, now = 1 + effects.chance.fraction() / 2, effects.clock.now()
        head = self._find_head(live.image)
        build = None if head is None else _build_of(live, head)
        if head is None or build is None:
            return latest_refusals.LAST_WAIT
        hit = latest_refusals.hit_of(build, self.outages.place_of_image(head.registration), now)
        new = PlatformBreaker(error_class=error.error_class, scope=error.scope or self.deployment)
        try:
            before, after = records.breakers.change(
                new, lambda found: latest_refusals.refuse(found, hit, str(error))
            )
        except (Contended, UnreadableRow):
            return latest_refusals.FIRST_WAIT * spread
        if after.is_open and after.opened_at != before.opened_at:
            self.outages.opened(after)
        if after.is_open:  # when it is over, the image is looked at again at once
            records.breakers.note_harmed(after.key, HarmedBuild(image=live.image, build=build))
        return latest_refusals.until_try(after, now) * spread

    def accepted(self, live: GalleryImageVersion) -> None:
        """Close the breakers that are about such changes alone, and about the image."""
        found = [stored.value for stored in self.records.breakers.list() if stored.value.is_of_latest]
        head = self._find_head(live.image) if found else None
        if head is None:
            return
        place = self.outages.place_of_image(head.registration)
        for breaker in found:
            if latest_refusals.is_answered(breaker, place):
                try:
                    self.outages.close(breaker)
                except (Contended, UnreadableRow):
                    continue  # it stays open until the next change is accepted, or nobody tries for long

    def _find_head(self, image: ImageName) -> ImageHead | None:
        try:
            stored = self.records.images.find_head(image)
        except UnreadableRow:
            return None
        return None if stored is None else stored.value


def _build_of(live: GalleryImageVersion, head: ImageHead) -> BuildId | None:
    """The build that made the version; for a stranger's version, the one that made the current version."""
    made = find_build_id(live.tags)
    if made is not None and made.image == live.image:
        return made
    return None if head.current is None else head.current.build
