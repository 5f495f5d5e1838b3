"""Show on an image that a message about it was poisoned, and stop showing it: mark and journal in one transaction."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from pipeline_core.domain import poison
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.poison import PoisonRecord
from pipeline_core.services.effects.projection import Projection
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.images import ImageStore
from pipeline_core.state.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonMarks:
    """The marks live in the image's head, so that lists and views of images show them without another read."""

    images: ImageStore
    projection: Projection

    def show(self, record: PoisonRecord, entry: Entry, *, is_silent: bool = False) -> ImageHead | None:
        """Mark the image and write it in its journal. None if the image is not registered. Safe to repeat.

        With `is_silent` nobody is notified.
        """
        return self._change(entry, lambda head: poison.mark(head, record), is_silent=is_silent)

    def hide(self, record: PoisonRecord, entry: Entry) -> ImageHead | None:
        """Remove the mark and write the reason in the journal. None if the image is not registered."""
        return self._change(entry, lambda head: poison.unmark(head, record.key))

    def _change(
        self, entry: Entry, change: Callable[[ImageHead], ImageHead], *, is_silent: bool = False
    ) -> ImageHead | None:
        return changing(
            lambda: self.images.find_head(entry.image),
            lambda head: (
                None if head is None else self._commit(head, change(head.value), entry, is_silent=is_silent)
            ),
            subject=str(entry.image),
        )

    def _commit(
        self, head: Stored[ImageHead], changed: ImageHead, entry: Entry, *, is_silent: bool
    ) -> ImageHead:
        with contextlib.suppress(
            AlreadyExists
        ):  # an earlier call wrote this same entry, and the change with it
            writes = [records.put_head(changed, etag=head.etag), records.add_entry(entry)]
            self.images.commit(writes, is_silent=is_silent)
        self.projection.project(entry.image)
        return changed
