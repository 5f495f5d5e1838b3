"""Ways to lose records and to get them back, for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import TransientError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.reasons import NO_CHANGES
from pipeline_core.ports import BlobFacts, Row, TableWrite, WriteKind
from pipeline_core.services.recovery.recover import RecoveryReport
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes

TABLES = ("images", "index", "capacity")
_STEPS = 500


def lose_tables(made: SimulatedWorld, *tables: str, only: Callable[[Row], bool] = lambda row: True) -> None:
    """Delete every row (that `only` says) of these tables, of all where none is named, and every message."""
    for table in tables or TABLES:
        for row in made.ports.tables.rows(table):
            if only(row):
                made.ports.tables.write(table, [TableWrite(verb=WriteKind.DELETE, row=row)])
    scenes.lose(made)


def lose_blob(made: SimulatedWorld, container: str, name: str) -> None:
    """Delete one blob, which nobody else may."""
    made.ports.blobs.lose(container, name)


def recover(made: SimulatedWorld, *, force: bool = False) -> list[RecoveryReport]:
    """Every step to the end, as the command takes them; a step that failed for a while is taken again."""
    reports: list[RecoveryReport] = []
    after = ""
    for _ in range(_STEPS):
        try:
            report = made.factory.recovery.step(ADMIN, after, force=force)
        except TransientError:
            continue
        reports.append(report)
        if report.after is None:
            return reports
        after = report.after
    raise AssertionError("the state is not recovered in any number of steps")


def recovered(reports: list[RecoveryReport]) -> list[str]:
    """The images that were recovered."""
    return [name for report in reports for name in report.recovered]


def problems(reports: list[RecoveryReport]) -> dict[str, str]:
    """What could not be recovered, and why."""
    return {problem.image: problem.message for report in reports for problem in report.problems}


def heads(made: SimulatedWorld) -> dict[ImageName, ImageHead]:
    """Every head, as it is stored."""
    rows = [row for row in made.ports.tables.rows("images") if row.key == "head"]
    return {ImageName(row.partition): scenes.head(made, ImageName(row.partition)) for row in rows}


def claims(made: SimulatedWorld, image: ImageName) -> list[Claim]:
    """Every claim of an image, as it is stored, by fingerprint."""
    rows = [row for row in made.ports.tables.rows("images") if row.partition == str(image)]
    keys = [row.key.removeprefix("claim:") for row in rows if row.key.startswith("claim:")]
    found = [scenes.images(made).find_claim(image, Fingerprint(key)) for key in keys]
    return [stored.value for stored in found if stored is not None]


def build_count(made: SimulatedWorld) -> int:
    """Builds whose records are there."""
    return sum(row.key.startswith("build:") for row in made.ports.tables.rows("images"))


def index_keys(made: SimulatedWorld) -> set[tuple[str, str]]:
    """What the index knows, but for the copies' contents and for what passes."""
    # The last two: galleries are counted anew, and without its owners a bundle is for the teams whose images use it.
    passing = {"active", "pending", "poison", "unchronicled", "lineage", "observed", "placements", "bundles"}
    rows = made.ports.tables.rows("index")
    return {(row.partition, row.key) for row in rows if row.partition not in passing}


def essence(made: SimulatedWorld) -> dict[ImageName, ImageHead]:
    """Heads as they must come back; the last version may be higher, measurements and counts of changes begin anew."""
    return {name: essence_of(head) for name, head in heads(made).items()}


def essence_of(head: ImageHead) -> ImageHead:
    """The head as it must come back."""
    plain = ImageHead(registration=head.registration, registered_at=head.registered_at)
    return replace(
        plain,
        # No tag says how often the parent had changed, nor which report was judged: that is looked for again.
        current=None if head.current is None else replace(head.current, followed=NO_CHANGES, report=None),
        period=head.period,
        request=head.request,
        height=head.height,
        revision=head.revision,
    )


def lost_and_recovered(made: SimulatedWorld) -> None:
    """Lose every table and bring them back, without a problem."""
    lose_tables(made)
    assert heads(made) == {}
    assert problems(recover(made)) == {}


@dataclass(slots=True, kw_only=True)
class WithoutRecoveryLog:
    """Blobs as they were before there was a recovery log of images."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        if prefix.startswith(("chronicle/images/", "chronicle/names/")):
            return []
        return list(self.inner.list(container, prefix, limit=limit))


class Died(Exception):
    """The host is gone; no handler of errors runs."""


@dataclass(slots=True, kw_only=True)
class Calls:
    """Counts the calls of some ports, and dies at the one of number `fatal`, before it or after its effect."""

    fatal: int = 0
    after: bool = False
    count: int = 0

    def around(self, port: Any) -> "Counted":
        return Counted(inner=port, calls=self)


@dataclass(slots=True, kw_only=True)
class Counted:
    """Any port."""

    inner: Any
    calls: Calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        def call(*given: Any, **named: Any) -> Any:
            self.calls.count += 1
            is_fatal = self.calls.count == self.calls.fatal
            if is_fatal and not self.calls.after:
                raise Died
            answer = method(*given, **named)
            if is_fatal:
                raise Died
            return answer

        return call


def counted(made: SimulatedWorld, calls: Calls) -> None:
    """The same factory behind ports whose calls are counted."""
    names = ("tables", "queues", "blobs", "galleries", "marketplace")
    scenes.rewired(made, **{name: calls.around(getattr(made.ports, name)) for name in names})
