"""What this release cannot read: rows by place, and the condition of the images that they are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline_core.domain import conditions
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.names import ImageName
from pipeline_core.state.reading.unreadable import UnreadablePage, UnreadableRecord, UnreadableStore

PAGE_LIMIT = 200  # records that a page holds at most
_MOST = 1000  # records that a list of images looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRows:
    """Reads the records that were made when such a row was met."""

    store: UnreadableStore

    def page(self, *, after: str = "", limit: int = PAGE_LIMIT) -> UnreadablePage:
        """A page of records, by table, partition and key."""
        return self.store.page(after=after, limit=min(limit, PAGE_LIMIT))

    def of_image(self, image: ImageName) -> tuple[Condition, ...]:
        """The condition of one image. Costs one read."""
        return _condition(self.store.of_image(image))

    def by_image(self) -> Mapping[str, tuple[Condition, ...]]:
        """The conditions of all images that have one. Costs one read."""
        by_name: dict[str, list[UnreadableRecord]] = {}
        for record in self.store.page(limit=_MOST).records:
            by_name.setdefault(record.image, []).append(record)
        return {name: _condition(found) for name, found in by_name.items() if name}


def _condition(records: Sequence[UnreadableRecord]) -> tuple[Condition, ...]:
    places = [f"{record.table}/{record.partition}/{record.key}" for record in records]
    made = conditions.unreadable(places, min((record.first_seen for record in records), default=None))
    return () if made is None else (made,)
