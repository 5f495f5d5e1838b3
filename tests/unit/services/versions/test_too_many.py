"""More than a few at once move nothing: a list that lies, or a disabled key, must not empty a fleet."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.images import Doubt, DoubtKind
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import TableWrite
from pipeline_core.settings import Limits
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, SIX, WAIT

LATER = timedelta(minutes=5)
FEW = SIX[:3]


def _delete(made: SimulatedWorld, *names: ImageName) -> None:
    for name in names:
        found = scenes.head(made, name).current
        assert found is not None
        made.ports.galleries.begin_delete(LIVE, name, found.version)


def _run(made: SimulatedWorld, times: int = 3) -> None:
    for _ in range(times):
        made.factory.galleries.observe()
        made.ports.clock.advance(LATER)


def _alarms(made: SimulatedWorld) -> int:
    return sum(scenes.events(made, name).count(Event.GALLERIES_DOUBTED) for name in SIX)


def test_a_few_that_are_gone_are_built_again() -> None:
    made = scenes.settled()
    before = made.versions()
    _delete(made, *FEW)
    _run(made)
    made.settle()
    after = made.versions()
    assert all(after[str(name)] and after[str(name)] != before[str(name)] for name in FEW)
    assert _alarms(made) == 0


def test_a_whole_gallery_that_shows_nothing_moves_nothing_and_raises_one_alarm() -> None:
    made = scenes.settled()
    before = made.versions()
    _delete(made, *SIX)
    _run(made, 5)
    made.settle()
    assert made.versions() == before
    assert _alarms(made) == 1
    assert made.factory.suspicion.seen().are_too_many
    assert {made.factory.queries.image(name).image.state for name in SIX} == {"unknown"}
    assert made.factory.suspicion.seen().alarmed_at is not None


def test_what_is_there_again_ends_the_alarm_without_a_person() -> None:
    made = scenes.settled()
    before = made.versions()
    live = made.ports.galleries.everything(LIVE)
    _delete(made, *SIX)
    _run(made)
    for each in live:
        made.ports.galleries.add_version(each)
    _run(made)
    made.settle()
    assert made.versions() == before
    assert not made.factory.suspicion.seen().are_too_many
    assert made.factory.queries.image(SIX[0]).image.state == "current"


def test_what_was_built_again_meanwhile_ends_the_alarm_without_a_person() -> None:
    made = scenes.settled()
    before = made.versions()
    _delete(made, *SIX)
    _run(made)
    scenes.released(made)
    made.settle()
    after = made.versions()
    assert all(after[str(name)] not in (None, before[str(name)]) for name in SIX)
    _run(made, 1)
    assert made.factory.suspicion.seen().suspects == ()
    assert not made.factory.suspicion.seen().are_too_many
    _delete(made, SIX[0])
    _run(made)
    made.settle()
    assert made.versions()[str(SIX[0])] not in (None, after[str(SIX[0])])
    assert _alarms(made) == 1


def test_a_suspect_that_a_quiet_look_finds_without_a_doubt_is_none() -> None:
    made = scenes.settled()
    found = scenes.head(made, SIX[0]).current
    assert found is not None
    doubt = Doubt(kind=DoubtKind.GONE, version=found.version, since=made.ports.clock.now())
    made.factory.suspicion.note(SIX[0], doubt)
    _run(made, 1)
    assert made.factory.suspicion.seen().suspects == ()


@pytest.mark.parametrize("subject", ["galleries.doubted", "announce"])
def test_an_alarm_whose_write_fails_once_is_raised_by_the_next_run(subject: str) -> None:
    """Either the entry is not written, or that it was written is not noted."""
    made = scenes.settled()
    _delete(made, *SIX)
    failed: list[str] = []

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        texts = [str(each.row.cells.get("value", "")) for each in writes]
        is_it = any(subject in text and '"announce":null' not in text for text in texts)
        is_noted = any('"announce":null' in text and '"alarmed_at":"' in text for text in texts)
        if not failed and (is_it if subject == "galleries.doubted" else is_noted):
            failed.append(table)
            raise TransientError(ErrorClass.NETWORK, "no answer")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    _run(made, 5)
    assert failed
    assert made.factory.suspicion.seen().are_too_many
    assert made.factory.suspicion.seen().announce is None
    assert _alarms(made) == 1


def test_secops_may_say_that_it_is_true() -> None:
    made = scenes.settled()
    _delete(made, *SIX)
    _run(made)
    with pytest.raises(PermanentError):
        made.factory.suspicion.accept(scenes.principal("payments"), "mine")
    with pytest.raises(PermanentError, match="no reason was given"):
        made.factory.suspicion.accept(ADMIN, " ")
    assert made.factory.suspicion.seen().are_too_many
    made.factory.suspicion.accept(ADMIN, "the gallery was lost")
    assert made.factory.suspicion.seen().accepted_identity == "user:admin"
    differing = made.factory.suspicion.seen().suspects
    for each in differing:
        entry = scenes.entry_of(made, each.image, Event.GALLERIES_ACCEPTED)
        assert (entry.identity, entry.detail.endswith(": the gallery was lost")) == ("user:admin", True)
    assert len(differing) > 3
    _run(made)
    made.settle()
    assert all(made.ports.galleries.latest(LIVE, name) for name in SIX)
    assert _alarms(made) == 1


def _disabled(made: SimulatedWorld) -> None:
    """The setting excludes what is not proven, and the key of all that was signed so far is disabled."""
    deployment = replace(scenes.deployment_of(made), excludes_unproven=True)
    limits = Limits(slots=8, creates_per_hour=10_000, team_slots=8, wait=WAIT)
    (stolen,) = made.ports.signer.trusted_keys()
    made.ports.signer.rotate()
    made.ports.signer.disable(stolen)
    made.rewire(foundation_of(made.ports, deployment, limits))


@pytest.mark.parametrize("parents", [{"rhel9-base": None, "rhel9-java": "rhel9-base"}])
def test_what_a_disabled_key_has_signed_is_built_again(parents: dict[str, str | None]) -> None:
    made = scenes.settled(parents)
    before = made.versions()
    _disabled(made)
    _run(made)
    made.settle()
    after = made.versions()
    assert all(after[name] and after[name] != before[name] for name in parents)
    for name in parents:
        assert str(made.ports.galleries.latest(LIVE, ImageName(name))) == after[name]


def test_a_disabled_key_does_not_empty_latest_of_a_fleet() -> None:
    made = scenes.settled()
    before = made.versions()
    _disabled(made)
    _run(made)
    kept = [name for name in SIX if str(made.ports.galleries.latest(LIVE, name)) == before[str(name)]]
    assert len(kept) >= len(SIX) - 3
    assert _alarms(made) == 1
