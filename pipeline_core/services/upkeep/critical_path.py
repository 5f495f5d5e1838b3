"""Keep the length of the chain below each image up to date: the image with the longest chain goes first.

This runs where the sweep reads the whole fleet anyway. A quiet fleet costs no read and no write. One run writes a
bounded number of heads; the next run writes the rest. A value that lags affects only the order in the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline_core.domain import chains
from pipeline_core.domain.errors import StaleWrite, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.services.effects.projection import Projection
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

_MOST = 100  # heads written in one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """Writes the computed chains into the heads, each write on the head's ETag."""

    images: ImageStore
    projection: Projection

    def refresh(self, heads: Mapping[ImageName, ImageHead]) -> int:
        """Compute the chains of the fleet and write those that changed by more than a fifth and a minute.

        `heads` are the fleet's copies. The answer is the number of heads written. The largest changes come first.
        """
        reckoned = chains.reckon(heads)
        moved = [name for name, head in heads.items() if chains.has_moved(head, reckoned[name])]
        moved.sort(key=lambda name: (-abs(reckoned[name] - chains.below(heads[name])), str(name)))
        return sum(self._write(name, reckoned[name]) for name in moved[:_MOST])

    def _write(self, name: ImageName, seconds: int) -> bool:
        """False where the head is gone or cannot be read, or another writer was faster: the next run tries again."""
        try:
            stored = self.images.find_head(name)
        except UnreadableRow:
            return False
        if stored is None:
            return False
        if stored.value.chain_seconds != seconds:
            try:
                self.images.commit(
                    [records.put_head(replace(stored.value, chain_seconds=seconds), etag=stored.etag)]
                )
            except StaleWrite:
                return False
        self.projection.project(name)
        return True
