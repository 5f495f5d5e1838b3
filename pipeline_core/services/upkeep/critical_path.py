"""Keep what each image knows of the chain below it up to date: whoever has most to follow goes first.

Done where the whole fleet is read anyway. A quiet fleet costs no read and no write; what is written is bounded,
and what is left over comes next time. A value that lags costs some order in the line, nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline_core.domain import chains
from pipeline_core.domain.errors import StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.services.effects.projection import Projection
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

_MOST = 100  # heads written in one go


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """Writes the reckoned chains into the heads, each on its ETag."""

    images: ImageStore
    projection: Projection

    def refresh(self, heads: Mapping[ImageName, ImageHead]) -> int:
        """Reckon the chains of the fleet and write those that moved by more than a fifth, and a minute.

        `heads` are the fleet's copies; the number of heads written. The chains that moved most come first.
        """
        reckoned = chains.reckon(heads)
        moved = [name for name, head in heads.items() if chains.has_moved(head, reckoned[name])]
        moved.sort(key=lambda name: (-abs(reckoned[name] - chains.below(heads[name])), str(name)))
        return sum(self._write(name, reckoned[name]) for name in moved[:_MOST])

    def _write(self, name: ImageName, seconds: int) -> bool:
        """False where the head has gone, knows already, or was changed by somebody else: next time."""
        stored = self.images.find_head(name)
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
