"""A version that retention removes before its grace period is over is named, whether its mark was lost or not."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.version_records import Standing
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.state.galleries.versions import VersionStore
from simulation import sabotage
from simulation.chapters.retention import GRACE, RetentionRuns
from simulation.trouble.outages import SimulatedOutage
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, LIVE, told

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

ROUND = timedelta(hours=21)


def _spare() -> tuple[SimulatedWorld, RetentionRuns, GalleryVersion]:
    """A version that the factory itself keeps out of `latest`: it was left for a former one, two days ago."""
    made, chapter = told(RetentionRuns, seed=1)
    kept = chapter.document(str(BASE))
    for text in ("mistake", "content", "newest"):
        made.register(str(BASE), None, text=text, **kept)
        made.settle()
    shown = made.ports.galleries.list_versions(LIVE, BASE)
    [spare] = [each.version for each in shown if each.excluded_from_latest]
    made.ports.clock.advance(timedelta(days=2))
    return made, chapter, spare


def _refuse_marks(made: SimulatedWorld) -> None:
    """For an hour, no version gets its end of life."""
    now, calls = made.ports.clock.now(), frozenset({"galleries.set_life"})
    outage = SimulatedOutage(
        since=now,
        until=now + timedelta(hours=1),
        calls=calls,
        refusal=lambda: TransientError(ErrorClass.NETWORK, "refused"),
    )
    made.platform.outages.known.append(outage)


def _standing(made: SimulatedWorld, version: GalleryVersion) -> Standing | None:
    found = VersionStore(made.ports.tables).find(BASE, version)
    return None if found is None else found.value.standing


def _prune(made: SimulatedWorld) -> None:
    made.host.fire("prune", made.factory.pruner.prune)


def test_a_version_that_was_out_of_latest_is_removed_after_its_grace_period_although_its_mark_was_lost() -> (
    None
):
    made, _, spare = _spare()
    _refuse_marks(made)
    _prune(made)
    assert _standing(made, spare) is Standing.PRUNING
    made.ports.clock.advance(ROUND)
    _prune(made)
    assert _standing(made, spare) is Standing.PRUNED
    assert made.findings == []


@pytest.mark.parametrize(("share", "is_named"), [(0.5, True), (1.5, False)])
def test_the_grace_period_of_a_version_out_of_latest_begins_with_the_decision(
    share: float, is_named: bool
) -> None:
    made, chapter, spare = _spare()
    _refuse_marks(made)
    _prune(made)
    made.ports.clock.advance(GRACE * share)
    chapter.watch("galleries.begin_delete", (LIVE, BASE, spare), {})
    found = f"(22) {BASE}@{spare} was removed before its grace period was over"
    assert made.findings == [found] * is_named


def test_a_version_out_of_latest_that_is_removed_without_a_grace_period_is_named() -> None:
    made, _, spare = _spare()
    with sabotage.ALL["retention-waits-for-its-grace"].patch():
        _prune(made)
    assert f"(22) {BASE}@{spare} was removed before its grace period was over" in made.findings
