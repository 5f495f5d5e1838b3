"""Derive lost tables again, a few images at a time, from live galleries, definitions, provenance and recovery log.

It inserts missing records and overwrites nothing. So it may be interrupted, repeated, and run while some tables
remain. It starts no build and writes to no gallery. The platform steps come last: until they are back, an
image's desired inputs are unknown, so no build starts from half of the state.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from itertools import islice

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import ErrorClass, FactoryError, InvalidValue, PermanentError, TransientError
from pipeline_core.domain.names import WORDS, ImageName
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.poll import Poller
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.recovery.image import ImageRecovery, RecoveryOutcome
from pipeline_core.services.recovery.lineage import LineageRecovery
from pipeline_core.state.sources import SourceStore

IMAGES_PER_STEP = 20  # at most a second each: a step stays well below four minutes, the limit of an answer


@unique
class RecoveryPart(Enum):
    """The parts of a recovery, in this order. The text begins the cursor of a step."""

    LOGGED = "told"  # images that the recovery log names
    UNLOGGED = "untold"  # images that only a gallery knows; they are older than the recovery log
    LINEAGE = "lineage"  # needs all heads: chains of descendants, claims on unfinished builds


# Of every cursor of a step but the empty one: a part, and the image behind which it goes on.
CURSOR = re.compile(
    rf"(?:{'|'.join(part.value for part in RecoveryPart)})(?::(?:(?!.{{64}}){WORDS})?)?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryProblem:
    """One image (empty: a source) that could not be recovered, and the reason. Another run tries it again."""

    image: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """The result of one step. `after` is the cursor of the next step, None at the end."""

    recovered: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    problems: tuple[RecoveryProblem, ...] = ()
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Recovers lost tables, a few images in each step."""

    effects: Effects
    sources: SourceStore
    images: ImageRecovery
    lineage: LineageRecovery
    policy: Policies
    poller: Poller

    def step(self, principal: Principal, after: str, *, force: bool = False) -> RecoveryReport:
        """One step from the cursor `after` (empty: from the start).

        Raises PermanentError (PERMISSION). Raises PermanentError (CONFLICT) if the platform steps are there,
        unless `force`: they show that nothing is lost. Raises InvalidValue for a cursor that no step gave.
        Raises TransientError: the same step may then be taken again.
        """
        access.demand(ApiOperation.REBUILD_STATE, principal)
        if not force and self.sources.find_platform() is not None:
            raise PermanentError(
                ErrorClass.CONFLICT,
                "the records are there: nothing is recovered; `force` adds the records that are missing",
            )
        part, last = _parse_cursor(after)
        # First, and in each step: no registration and no gate may use less than the policy that was in force.
        self.policy.recover()
        match part:
            case RecoveryPart.LOGGED:
                report = self._each(part, [*self.effects.recovery_log.images()], last, principal)
            case RecoveryPart.UNLOGGED:
                report = self._each(part, self._unlogged(), last, principal)
            case RecoveryPart.LINEAGE:
                report = self._lineage(last)
        self.effects.logs.note(
            "state-rebuilt", part=part.value, restored=len(report.recovered), actor=principal.actor.identity
        )
        return report

    def _each(
        self, part: RecoveryPart, names: Sequence[ImageName], last: str, principal: Principal
    ) -> RecoveryReport:
        fates: dict[RecoveryOutcome, list[str]] = {fate: [] for fate in RecoveryOutcome}
        chosen, after = _page(part, names, last)
        problems = _guarded(
            chosen, lambda name: fates[self.images.recover(name, principal)].append(str(name))
        )
        return RecoveryReport(
            recovered=tuple(fates[RecoveryOutcome.RECOVERED]),
            kept=tuple(fates[RecoveryOutcome.KEPT]),
            deleted=tuple(fates[RecoveryOutcome.DELETED]),
            problems=problems,
            after=after,
        )

    def _unlogged(self) -> Sequence[ImageName]:
        logged = set(self.effects.recovery_log.images())
        return sorted(self.images.in_galleries() - logged)

    def _lineage(self, last: str) -> RecoveryReport:
        unseen = () if last else self._poll()
        entry = self.effects.recovery_log.find_platform()
        platform = None if entry is None else entry.to_domain()
        fleet = self.lineage.read(self.sources.find_platform() or platform)
        chosen, after = _page(RecoveryPart.LINEAGE, sorted(fleet.heads), last)
        problems = _guarded(chosen, lambda name: self.lineage.recover(name, fleet))
        if after is None and entry is not None and platform is not None:
            self.sources.recover_platform(platform, entry.revision)
        return RecoveryReport(problems=(*unseen, *problems), after=after)

    def _poll(self) -> tuple[RecoveryProblem, ...]:
        """Poll the sources, because desired inputs need the newest versions.

        A source that is gone keeps the versions that were seen before.
        """
        try:
            self.poller.poll()
        except TransientError:
            raise
        except FactoryError as error:
            return (RecoveryProblem(image="", message=str(error)),)
        return ()


def _page(
    part: RecoveryPart, names: Sequence[ImageName], last: str
) -> tuple[Sequence[ImageName], str | None]:
    """The next images behind `last`, and the cursor behind them, None at the end."""
    chosen = [*islice((name for name in names if str(name) > last), IMAGES_PER_STEP)]
    if len(chosen) == IMAGES_PER_STEP:
        return chosen, f"{part.value}:{chosen[-1]}"
    parts = [*RecoveryPart]
    following = parts[parts.index(part) + 1 :]
    return chosen, f"{following[0].value}:" if following else None


def _guarded(names: Sequence[ImageName], recover: Callable[[ImageName], None]) -> tuple[RecoveryProblem, ...]:
    """A permanent problem of one image does not stop the others. A transient error ends the step."""
    problems: list[RecoveryProblem] = []
    for name in names:
        try:
            recover(name)
        except TransientError:
            raise
        except FactoryError as error:
            problems.append(RecoveryProblem(image=str(name), message=str(error)))
    return tuple(problems)


def _parse_cursor(text: str) -> tuple[RecoveryPart, str]:
    part, _, last = (text or f"{RecoveryPart.LOGGED.value}:").partition(":")
    try:
        return RecoveryPart(part), str(ImageName(last)) if last else ""
    except ValueError as error:
        raise InvalidValue(
            "a cursor of the recovery", text, "the cursor that the previous step gave"
        ) from error
