"""What happened to an image, in pages, newest first: its builds and its journal. Changes nothing."""

from dataclasses import dataclass

from pipeline_core.domain import conditions, dispatch
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.errors import NotFound, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Clock
from pipeline_core.services.views.views import BuildHistory, BuildView, build_view
from pipeline_core.state.history import JournalPage
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # rows that a page holds at most


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Also of a deleted image: its builds and its journal stay."""

    records: Records
    clock: Clock

    def builds(self, image: ImageName, *, after: str = "", limit: int) -> BuildHistory:
        """A page of builds. The first page begins with the build that has not ended, beside the `limit` others.

        Raises NotFound where nothing is known of the image.
        """
        page = self.records.history.builds(image, after=after, limit=min(limit, PAGE_LIMIT))
        head = None if after else self._find_head(image)
        running = None if head is None else self.find_running(head)
        ended = [build_view(build) for build in page.builds]
        shown = ended if running is None else [running, *ended]
        if not shown and (not after or not self._has_journal(image)) and head is None:
            raise _nothing(image)
        return BuildHistory(builds=tuple(shown), next=page.after)

    def journal(self, image: ImageName, *, after: str = "", limit: int) -> JournalPage:
        """A page of the journal. Raises NotFound where nothing is known of the image."""
        page = self.records.history.journal(image, after=after, limit=min(limit, PAGE_LIMIT))
        if not page.entries and page.after is None and (not after or not self._has_journal(image)):
            raise _nothing(image)
        return page

    def _has_journal(self, image: ImageName) -> bool:
        """False for a name that nothing is known of, whatever the cursor. Asked only where a page is empty."""
        return bool(self.records.history.journal(image, limit=1).entries)

    def find_running(self, head: ImageHead) -> BuildView | None:
        """The image's build that has not ended. None where there is none, or where its row cannot be read."""
        if head.active is None:
            return None
        try:
            stored = self.records.images.find_build(head.active.build)
        except UnreadableRow:
            return None
        if stored is None or stored.value.is_finished:
            return None
        return build_view(stored.value, self.conditions_of(stored.value, head))

    def conditions_of(self, build: Build, head: ImageHead | None) -> tuple[Condition, ...]:
        """The conditions of a build. One that waits for a slot costs a read: it may wait for a limit of its team."""
        held = conditions.of_build(build, head)
        if build.phase is not Phase.PENDING or build.is_stopping:
            return held
        now = self.clock.now()
        wait = dispatch.why_waits(dispatch.first_row_of(build), self.records.capacity.read(now).capacity, now)
        return (*held, *conditions.waits_for_limit(build, wait))

    def _find_head(self, image: ImageName) -> ImageHead | None:
        try:
            stored = self.records.images.find_head(image)
        except UnreadableRow:
            return None
        return None if stored is None else stored.value


def _nothing(image: ImageName) -> NotFound:
    return NotFound(f"nothing is known of image {image}; GET /api/images lists those that are registered")
