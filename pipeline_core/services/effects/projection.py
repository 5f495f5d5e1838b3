"""Keep the copies of an image's head up to date: the fleet's (what lists and the sweep read) and the recovery log."""

from pipeline_core.domain.errors import Contended, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Logs, Row
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.state.concurrency import changing
from pipeline_core.state.stores import Records


class Projection:
    """A copy that lags is repaired by the next change of the image or by the sweep."""

    def __init__(self, records: Records, recovery_log: RecoveryLog, logs: Logs) -> None:
        self._images = records.images
        self._index = records.index
        self._recovery_log = recovery_log
        self._logs = logs

    def find(self, image: ImageName) -> Row | None:
        """The fleet's copy as it is now, for `follow`: to be read ahead of the change that is to be copied."""
        return self._index.find_copy(image)

    def follow(self, head: ImageHead, over: Row | None) -> None:
        """Copy a head that was just committed over the copy that was there before: a read less than `project`.

        Under that copy's ETag there can be nothing newer than the head. Where it has changed, others were faster.
        """
        self._recovery_log.follow(head)
        if not self._index.replace_copy(head.name, head, over=over):
            self.project(head.name)

    def project(self, image: ImageName) -> None:
        """Copy the head as it is now; the head is read again where another writer raced."""

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
