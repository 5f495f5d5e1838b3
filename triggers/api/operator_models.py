"""The bodies for those who operate the factory: platform steps and outages, a pause, and the factory's own records."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import AliasPath, Field

from pipeline_core.domain import staleness
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.pauses import PauseState
from pipeline_core.domain.platform_trials import MOST_CANARIES, CanaryState
from pipeline_core.services.outages.pauses import PauseView
from pipeline_core.services.views import platform_plans
from triggers.api.forms.names import DigestText, ImageCursorText, ImageText, RecoveryCursorText
from triggers.api.forms.shown import DigestShown, ImageShown, Text
from triggers.api.models import Answer, Document, Fault, Misplaced, Reason, Request, Why


class PlatformRequest(Request):
    """The bundle of the platform steps, and the catalog of staged tools.

    `drop_used` accepts a catalog without a tool that images name. No change reaches these images from then on.
    `canaries` names the images that the steps are tried on: they are not in force then.
    """

    bundle: DigestText
    catalog: Document
    drop_used: bool = False
    canaries: list[ImageText] = Field(default_factory=list, max_length=MOST_CANARIES)


class PlatformPlanRequest(Request):
    """Platform steps that nobody has registered yet; their bundle need not be uploaded."""

    bundle: DigestText
    catalog: Document
    canaries: list[ImageText] = Field(default_factory=list, max_length=MOST_CANARIES)


class PromoteRequest(Request):
    """The bundle on trial, so that nobody promotes another one than was tried.

    `drop_used` is as for a registration; `untried` does not wait for canaries that have no version with the steps.
    `over_newer` takes back what was put in force after the trial had begun, such as a repair.
    """

    bundle: DigestText
    drop_used: bool = False
    untried: bool = False
    over_newer: bool = False


class EndTrialRequest(Request):
    """The bundle on trial."""

    bundle: DigestText


class Canary(Answer):
    """An image of the trial, and how far it is: tried, building, waiting, or unregistered."""

    image: ImageShown
    state: Text


class PlatformTrial(Answer):
    """Platform steps that only these images are built with. `by` is the identity of who began the trial."""

    bundle: DigestShown
    catalog: tuple[str, ...]
    since: datetime
    by: str
    canaries: tuple[Canary, ...]


class Platform(Answer):
    """The platform steps and the catalog that are in force, and what is on trial; null where nothing is.

    `given_up` has the bundles of the trials that were ended or replaced, the newest first, 20 at most.
    """

    bundle: DigestShown
    catalog: tuple[str, ...]
    trial: PlatformTrial | None = None
    given_up: tuple[DigestShown, ...] = ()

    @classmethod
    def of(
        cls, platform: staleness.Platform, states: Mapping[ImageName, CanaryState] | None = None
    ) -> "Platform":
        """The answer. Without `states`, a trial is shown as it has just begun: all its images wait."""
        trial, known = platform.trial, states or {}
        return cls(
            bundle=str(platform.digest),
            catalog=tuple(sorted(platform.catalog)),
            trial=None
            if trial is None
            else PlatformTrial(
                bundle=str(trial.digest),
                catalog=tuple(sorted(trial.catalog)),
                since=trial.since,
                by=trial.by,
                canaries=tuple(
                    Canary(image=str(name), state=known.get(name, CanaryState.WAITING).value)
                    for name in trial.images
                ),
            ),
            given_up=tuple(map(str, platform.given_up)),
        )


class PlatformPlan(Answer):
    """What platform steps would do. All counts are of images; times are in seconds.

    `waves` counts the images that are built again, wave by wave: an image is built after its parent. `stale` of them
    are to be built in any case. `machine_seconds` is the sum of what their recent builds took from slot to end, waits
    included; `elapsed_seconds` is the time until the last one ends, if nothing else is built with `slots` slots. Both,
    and `longest_seconds` of the longest build, count the `measured` images alone, and are null where there is none.
    `running` have a build of these inputs already; `resting` are stale and are not built by
    themselves, by reason. No change reaches `without_tool`. `unreadable` are counted nowhere else. `refusals` is what
    a registration would be refused for now, but for what only the uploaded bundle shows.
    """

    registered: int
    rebuilt: int
    waves: tuple[int, ...]
    stale: int
    measured: int
    machine_seconds: int | None
    elapsed_seconds: int | None
    longest_seconds: int | None
    running: int
    resting: dict[str, int]
    without_tool: int
    unreadable: int
    slots: int
    busy: int
    refusals: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, plan: platform_plans.PlatformPlan) -> "PlatformPlan":
        """The answer."""
        rollout = plan.rollout
        return cls(
            registered=plan.registered,
            rebuilt=rollout.images,
            waves=rollout.waves,
            stale=plan.stale,
            measured=rollout.measured,
            machine_seconds=_seconds(rollout.machine_time),
            elapsed_seconds=_seconds(rollout.elapsed),
            longest_seconds=_seconds(rollout.longest),
            running=plan.running,
            resting=dict(plan.resting),
            without_tool=plan.without_tool,
            unreadable=plan.unreadable,
            slots=plan.slots,
            busy=plan.busy,
            refusals=tuple(
                Fault(path=each.path, message=each.message, remedy=each.remedy) for each in plan.refusals
            ),
        )


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else round(length.total_seconds())


class PlatformBreaker(Answer):
    """An open platform breaker: what fails where since when. `message` is the newest error, for people."""

    error_class: Text = Field(validation_alias=AliasPath("error_class", "value"))
    scope: Text
    opened_at: datetime | None
    next_probe: datetime | None
    message: str


class PlatformBreakers(Answer):
    """Every breaker that is open."""

    breakers: tuple[PlatformBreaker, ...]


class RetryRequest(Request):
    """The class of error whose outage is over, and the cursor `next` of the former answer."""

    error_class: ErrorClass = Field(alias="class", strict=False)
    after: ImageCursorText = ""


class Retried(Answer):
    """Scopes whose breaker closed, images that are looked at again; `next` is null on the last page."""

    closed: tuple[str, ...]
    images: tuple[str, ...]
    next: str | None


class PauseRequest(Request):
    """Why the factory is paused. It is needed: the factory's journal keeps it, and SecOps' receivers get it."""

    reason: Why


class ResumeRequest(Request):
    """Why the pause ends."""

    reason: Reason = "resumed over the API"


class FactoryPause(Answer):
    """What holds now, and who decided the newest pause, or its end, when and why; null where nobody ever did.

    `message` is one line for people, null while the factory is not paused. From `settles_at` on no container group is
    created; it is null while the factory still looks for creations that were paid for before the pause.
    """

    state: PauseState
    message: str | None
    revision: int | None
    actor: str | None
    identity: str | None
    reason: str | None
    at: datetime | None
    settles_at: datetime | None

    @classmethod
    def of(cls, view: PauseView) -> "FactoryPause":
        """The answer of a view."""
        known = view.pause
        return cls(
            state=view.state,
            message=view.text or None,
            revision=None if known is None else known.revision,
            actor=None if known is None else known.actor,
            identity=None if known is None else known.identity,
            reason=None if known is None else known.reason,
            at=None if known is None else known.at,
            settles_at=None if known is None else known.settles_at,
        )


class StateRequest(Request):
    """Which step to take. `force` takes it even if the records seem to be there."""

    after: RecoveryCursorText = ""
    force: bool = False


class StateStep(Answer):
    """The result of one step, by names of images; `next` is the `after` of the following step, null at the end."""

    restored: tuple[str, ...] = Field(validation_alias="recovered")
    kept: tuple[str, ...]
    deleted: tuple[str, ...]
    problems: tuple[Misplaced, ...]
    next: str | None = Field(validation_alias="after")


class UnreadableRow(Answer):
    """A row that the running release cannot read. `image` is empty where it is not about one image.

    `row_schema` is what the row names as its schema.
    """

    table: str
    partition: str
    key: str
    image: str
    row_schema: str = Field(validation_alias="schema")
    why: str
    first_seen: datetime


class UnreadableRows(Answer):
    """A page of such rows by place; `next` is the `after` of the following page, null at the end."""

    rows: tuple[UnreadableRow, ...] = Field(validation_alias="records")
    next: str | None = Field(validation_alias="after")
