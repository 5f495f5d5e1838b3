"""Keep the copies of an image's head up to date: the fleet's, for lists and the sweep, and the recovery log's."""

from collections.abc import Sequence

from pipeline_core.domain.errors import Contended, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Logs, Row
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.state.concurrency import changing
from pipeline_core.state.stores import Records


class Projection:
    """The next change of the image or the sweep repairs a copy that lags."""

    def __init__(self, records: Records, recovery_log: RecoveryLog, logs: Logs) -> None:
        self._images = records.images
        self._index = records.index
        self._recovery_log = recovery_log
        self._logs = logs

    def find(self, image: ImageName) -> Row | None:
        """The fleet's current copy, for `follow`. Read it before the change."""
        return self._index.find_copy(image)

    def follow(self, head: ImageHead, over: Row | None, note: LookNote | None = None) -> None:
        """Write a head that was just committed over the copy `over`: one read less than `project`.

        `note` is what the look found that led to the change.

        While the copy has the ETag of `over`, it cannot be newer than the head. Else `project` runs.
        """
        self._recovery_log.follow(head)
        if not self._index.replace_copy(head.name, head, over=over, note=note):
            self.project(head.name)

    def follow_all(self, copies: Sequence[tuple[ImageHead, Row | None, LookNote]]) -> None:
        """The same for heads that were committed together with builds: one write, where nobody else was faster."""
        if len(copies) > 1 and self._index.replace_copies(copies):
            for head, _, _ in copies:
                self._recovery_log.follow(head)
            return
        for head, over, note in copies:
            self.follow(head, over, note)

    def show(self, head: ImageHead) -> None:
        """Write a copy that is ahead of the stored head, by what is about to be committed. The sweep compares them."""

        def write(over: Row | None) -> None:
            if not self._index.replace_copy(head.name, head, over=over):
                raise StaleWrite(f"the fleet's copy of {head.name} has changed since it was read")

        changing(lambda: self._index.find_copy(head.name), write, subject=f"the fleet's copy of {head.name}")

    def note(self, image: ImageName, note: LookNote) -> None:
        """Keep what a look found that changed nothing else. One read, and a write only where it differs."""
        self._index.note_look(image, note)

    def forget_claim(self, image: ImageName) -> None:
        """Call this before a claim that holds the image back is freed: the next sweep then looks, whatever is lost."""
        self._index.forget_claim(image)

    def project(self, image: ImageName) -> None:
        """Copy the stored head; the head is read again where another writer raced."""

        def copy(over: Row | None) -> None:
            head = self._images.find_head(image)
            if head is not None:
                self._recovery_log.follow(head.value)
            if not self._index.replace_copy(image, None if head is None else head.value, over=over):
                raise StaleWrite(f"the fleet's copy of {image} has changed since it was read")

        try:
            changing(lambda: self._index.find_copy(image), copy, subject=f"the fleet's copy of {image}")
        except Contended:
            self._logs.note("projection-lags", image=str(image))
