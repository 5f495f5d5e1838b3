"""Twins of the services that page through an image's history and through rows that cannot be read."""

from dataclasses import dataclass, field

from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.names import ImageName
from pipeline_core.services.views.views import BuildHistory
from pipeline_core.state.history import JournalPage
from pipeline_core.state.reading.unreadable import UnreadablePage
from tests.unit.triggers import views


@dataclass
class History:
    """One page of each kind, for `payments-api` alone."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def builds(self, image: ImageName, *, after: str = "", limit: int) -> BuildHistory:
        self._note(image, after, limit)
        return views.BUILDS

    def journal(self, image: ImageName, *, after: str = "", limit: int) -> JournalPage:
        self._note(image, after, limit)
        return views.JOURNAL

    def _note(self, image: ImageName, after: str, limit: int) -> None:
        self.asked.append((str(image), after, limit))
        if str(image) != "payments-api":
            raise NotFound(f"nothing is known of image {image}")


@dataclass
class Unreadable:
    """One page with one row."""

    asked: list[tuple[str, int]] = field(default_factory=list)

    def page(self, *, after: str = "", limit: int) -> UnreadablePage:
        self.asked.append((after, limit))
        return views.ROWS
