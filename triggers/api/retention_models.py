"""The bodies about retention: what would be done about each live version, and why the others stay."""

from datetime import datetime

from pydantic import AliasPath, Field

from triggers.api.forms.shown import ImageShown, Text, VersionShown
from triggers.api.models import Answer


class KeepReason(Answer):
    """One reason why a version stays: `by` for programs, `message` for people."""

    by: Text
    message: str


class RetentionStep(Answer):
    """What retention does about one version now: keep, exclude, wait, delete or take-back.

    `delete_after` is set while a version waits. `reasons` is empty where nothing keeps it.
    """

    version: VersionShown
    removal: Text
    reasons: tuple[KeepReason, ...]
    delete_after: datetime | None


class RetentionPlan(Answer):
    """The plan of one image, oldest version first. `waiting_for_use` counts what only unknown use keeps."""

    image: ImageShown
    keep: int = Field(validation_alias=AliasPath("rule", "keep"))
    keep_in_use: bool = Field(validation_alias=AliasPath("rule", "keep_in_use"))
    waiting_for_use: int
    steps: tuple[RetentionStep, ...]


class UnplannedImage(Answer):
    """An image whose plan could not be made, and why."""

    image: ImageShown
    message: str


class RetentionRound(Answer):
    """How far the timer has come: `after` is the last image that it looked at in the round that began at `began_at`."""

    began_at: datetime
    after: str
    is_over: bool


class RetentionPage(Answer):
    """A page of plans by name of image. `next` is the cursor of the following page, null at the end.

    `round` is null before the timer has run.
    """

    plans: tuple[RetentionPlan, ...]
    failed: tuple[UnplannedImage, ...]
    next: str | None
    round: RetentionRound | None
