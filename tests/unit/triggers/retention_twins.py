"""A twin of the plans of retention: one image with three versions."""

from datetime import timedelta

from pipeline_core.domain.definitions import Retention
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.retention import KeepReason, KeepRule, Removal, RetentionStep
from pipeline_core.domain.rounds import Round
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.services.versions.retention import RetentionPage, RetentionPlan, UnplannedImage
from pipeline_core.state.records import Stored
from tests.unit.domain import factories
from tests.unit.triggers import views


class Retentions:
    """The plans of one image. It fails where `error` is set."""

    def __init__(self) -> None:
        self.error = ""

    def of_image(self, name: ImageName) -> RetentionPlan:
        if str(name) != "payments-api":
            raise NotFound(f"image {name} is not registered: register it first")
        return _plan()

    def page(self, after: str, limit: int) -> RetentionPage:
        failed = (UnplannedImage(image="broken", message=self.error),) if self.error else ()
        following = "payments-api" if limit == 1 else None
        begun = Round(began_at=views.NOW, after="java")
        return RetentionPage(plans=(_plan(),), failed=failed, next=following, round=begun)


def _plan() -> RetentionPlan:
    """Three versions: one that goes, one in its grace period, the current one."""
    due = views.NOW + timedelta(days=7)
    versions = [GalleryVersion(1, 20261119 + number, 1) for number in range(3)]
    kept = KeepReason(by=KeepRule.CURRENT, message="it is current")
    steps = (
        RetentionStep(version=versions[0], removal=Removal.EXCLUDE),
        RetentionStep(version=versions[1], removal=Removal.WAIT, delete_after=due),
        RetentionStep(version=versions[2], removal=Removal.NONE, reasons=(kept,)),
    )
    return RetentionPlan(
        owner=Stored(value=factories.head(ImageName("payments-api")), etag="1"),
        current=versions[2],
        rule=Retention(keep=1, keep_in_use=False),
        steps=steps,
        due=due,
        listed={},
        records={},
    )
