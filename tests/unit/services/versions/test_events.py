"""Gallery events: a second look at our own, an alarm for what is not ours, and silence for the rest."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import observed
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.version_records import LETTING_IN, Intent, Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, TableWrite, VersionState
from pipeline_core.wire.messages import NotificationMessage, StepMessage
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
WRITE = "Microsoft.Resources.ResourceWriteSuccess"
GALLERIES = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/galleries"


def _id(gallery: str, image: str, version: str) -> str:
    return f"{GALLERIES}/{gallery}/images/{image}/versions/{version}"


def _foreign(made: SimulatedWorld, version: str = "9.20990101.1") -> str:
    """Somebody else puts a version into the live gallery."""
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=LIVE,
            image=BASE,
            version=GalleryVersion.parse(version),
            state=VersionState.READY,
            excluded_from_latest=False,
        )
    )
    return _id("live", "rhel9-base", version)


def test_a_live_version_without_our_provenance_raises_an_alarm() -> None:
    made = scenes.settled(ONE)
    made.factory.gallery_events.observe(_foreign(made), WRITE)
    entry = scenes.entry_of(made, BASE, Event.UNPROVEN)
    assert entry.detail == (
        "rhel9-base@9.20990101.1 in live is not proven: it names no provenance of this factory"
    )
    (text,) = scenes.texts(made, "notification-requests")
    assert NotificationMessage.from_wire(text).entry == entry.key
    assert scenes.logged(made, "version-unproven", image="rhel9-base")


def test_our_own_version_is_looked_at_and_raises_no_alarm() -> None:
    made = scenes.settled(ONE)
    current = scenes.head(made, BASE).current
    assert current is not None
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(current.version)), WRITE)
    assert scenes.asked(made) == ["rhel9-base"]
    assert Event.UNPROVEN not in scenes.events(made, BASE)
    made.drain()
    assert len(scenes.builds(made, BASE)) == 1


def test_a_deleted_version_is_looked_at_and_raises_no_alarm() -> None:
    made = scenes.settled(ONE)
    made.factory.gallery_events.observe(_id("LIVE", "RHEL9-base", "9.20200101.1"), "Delete")
    assert scenes.asked(made) == ["rhel9-base"]
    assert Event.UNPROVEN not in scenes.events(made, BASE)


def test_a_current_version_that_somebody_deletes_is_doubted_by_its_event_and_written_into_the_journal() -> (
    None
):
    """The first look says so on the image's page; the second, minutes later, in the journal."""
    made = scenes.settled(ONE)
    current = scenes.head(made, BASE).current
    assert current is not None
    made.ports.galleries.begin_delete(LIVE, BASE, current.version)
    made.ports.clock.advance(timedelta(minutes=1))
    identity = _id("live", "rhel9-base", str(current.version))
    made.factory.gallery_events.observe(identity, "Microsoft.Resources.ResourceDeleteSuccess")
    shown = made.factory.queries.image(BASE).image
    assert shown.state == "unknown"
    assert f"no longer holds {current.version}" in shown.detail
    made.ports.clock.advance(observed.APART)
    made.factory.gallery_events.observe(identity, "Microsoft.Resources.ResourceDeleteSuccess")
    gone = scenes.entry_of(made, BASE, Event.GONE)
    assert gone.version == str(current.version)


@pytest.mark.parametrize(
    "resource",
    [
        _id("quarantine", "rhel9-base", "9.20261121.1"),
        _id("somebody-elses", "rhel9-base", "9.20261121.1"),
        _id("live", "rhel9-base", "latest"),
        _id("live", "rhel9-base", "9.20261121.99999999999"),
        _id("live", "rhel9_base", "9.20261121.1"),
        _id("live", "rhel9-base", "9.20261121.1") + "/extra",
        f"{GALLERIES}/live/images/rhel9-base",
        f"{GALLERIES}/live",
        "",
        "x" * 100_000,
    ],
    ids=lambda text: text[-40:] or "empty",
)
def test_what_is_not_a_version_in_a_live_gallery_is_a_named_no_op(resource: str) -> None:
    made = scenes.settled(ONE)
    rows = made.ports.tables.rows("images")
    made.factory.gallery_events.observe(resource, WRITE)
    assert made.ports.queues.names() == []
    assert made.ports.tables.rows("images") == rows
    assert scenes.logged(made, "gallery-event-ignored", resource=resource[:300])


def _gone_back() -> tuple[SimulatedWorld, GalleryVersion]:
    """An image that was edited and edited back: its first version is current again, the second out of `latest`."""
    made = scenes.settled(ONE)
    for text in ("other content", "content"):
        made.register("rhel9-base", None, text=text)
        made.settle()
    first, second = sorted(each.version for each in made.ports.galleries.list_versions(LIVE, BASE))
    assert made.ports.galleries.latest(LIVE, BASE) == first
    return made, second


def test_a_version_that_was_let_in_after_its_turn_is_taken_out_of_latest_again() -> None:
    made, second = _gone_back()
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(second)), WRITE)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert made.ports.galleries.latest(LIVE, BASE) == current.version
    assert scenes.logged(made, "version-taken-back", version=str(second))


def _write(made: SimulatedWorld, version: GalleryVersion) -> None:
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(version)), WRITE)


def _record(made: SimulatedWorld, version: GalleryVersion) -> VersionRecord:
    found = made.base.records.versions.find(BASE, version)
    assert found is not None
    return found.value


class _Overtaken:
    """A gallery in front of which `meanwhile` happens once, just before a version is excluded."""

    def __init__(self, inner: object, meanwhile: Callable[[], object]) -> None:
        self._inner = inner
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def set_excluded(self, *named: Any, excluded: bool) -> None:
        if excluded and self._meanwhile:
            self._meanwhile.pop()()
        self._inner.set_excluded(*named, excluded=excluded)  # type: ignore[attr-defined]  # any gallery


def _assert_current(made: SimulatedWorld, version: GalleryVersion) -> None:
    head = scenes.head(made, BASE)
    assert head.current is not None
    assert (head.current.version, head.taken_out) == (version, ())
    assert made.ports.galleries.latest(LIVE, BASE) == version
    assert made.factory.queries.image(BASE).image.state == "current"


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(minutes=3)], ids=["at once", "after the wait"])
def test_a_reuse_beside_the_exclusion_of_its_version_is_not_undone(wait: timedelta) -> None:
    """The reuse runs between the decision to take the version back and the call that does it."""
    made, second = _gone_back()

    def reuse() -> None:
        made.ports.clock.advance(wait)
        made.drain()

    scenes.rewired(made, galleries=_Overtaken(made.ports.galleries, reuse))
    made.register("rhel9-base", None, text="other content")
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    _write(made, second)
    for _ in range(3):
        made.factory.galleries.observe()
        made.ports.clock.advance(timedelta(minutes=5))
        made.settle()
    _assert_current(made, second)


def test_a_slow_reuse_is_not_taken_back_by_the_event_of_its_own_change() -> None:
    made, second = _gone_back()
    made.ports.galleries.updating = timedelta(minutes=1)
    made.register("rhel9-base", None, text="other content")
    with pytest.raises(TransientError):
        scenes.look(made, BASE)
    assert _record(made, second).intent is Intent.INCLUDE
    made.ports.clock.advance(timedelta(minutes=1))
    _write(made, second)
    assert not scenes.logged(made, "version-taken-back", version=str(second))
    made.drain()
    _assert_current(made, second)
    assert _record(made, second).intent is None


def test_the_intent_of_a_reuse_that_came_to_nothing_ends() -> None:
    made, second = _gone_back()
    made.ports.galleries.updating = timedelta(minutes=1)
    made.register("rhel9-base", None, text="other content")
    with pytest.raises(TransientError):
        scenes.look(made, BASE)
    made.register("rhel9-base", None, text="content")
    made.ports.galleries.updating = timedelta(0)
    made.ports.clock.advance(LETTING_IN - timedelta(minutes=1))
    made.drain()
    _write(made, second)
    assert made.ports.galleries.latest(LIVE, BASE) == second
    made.ports.clock.advance(timedelta(minutes=1))
    _write(made, second)
    assert made.ports.galleries.latest(LIVE, BASE) != second
    record = _record(made, second)
    assert (record.standing, record.intent) == (Standing.SPARE, None)


def test_a_look_whose_image_has_changed_takes_nothing_back() -> None:
    made, second = _gone_back()
    made.register("rhel9-base", None, text="other content")
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    raced: list[str] = []

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        texts = [str(each.row.cells.get("value", "")) for each in writes]
        if not raced and any('"intent":"exclude"' in text for text in texts):
            raced.append(table)
            made.drain()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(StaleWrite):
        _write(made, second)
    _assert_current(made, second)


def test_a_version_that_a_person_lets_in_above_the_current_one_stays() -> None:
    made, second = _gone_back()
    made.register("rhel9-base", None, text="other content")
    made.settle()
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=True)
    _write(made, second)
    made.settle()
    assert scenes.head(made, BASE).taken_out == (second,)
    made.ports.galleries.set_excluded(LIVE, BASE, second, excluded=False)
    _write(made, second)
    _write(made, second)  # before the look that makes it current
    assert made.ports.galleries.latest(LIVE, BASE) == second
    made.settle()
    _assert_current(made, second)


def test_a_version_whose_build_is_about_to_end_is_left_in_latest() -> None:
    made = scenes.settled(ONE)
    made.register("rhel9-base", None, text="other content")
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    assert build.version is not None
    version = build.version
    made.ports.clock.advance(timedelta(minutes=5))
    scenes.until(made, lambda: made.ports.galleries.find_version(LIVE, BASE, version) is not None)
    made.ports.clock.advance(timedelta(minutes=5))
    made.ports.galleries.set_excluded(LIVE, BASE, build.version, excluded=False)
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(build.version)), WRITE)
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


def _copying() -> tuple[SimulatedWorld, Build]:
    """A build that waits for the copy of its version, which takes 40 seconds."""
    made = scenes.settled(ONE)
    made.ports.galleries.replication = timedelta(seconds=40)
    made.register("rhel9-base", None, text="other content")
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    version = build.version
    assert version is not None
    scenes.until(made, lambda: made.ports.galleries.find_version(LIVE, BASE, version) is not None)
    return made, scenes.active(made, BASE).value


def _steps(made: SimulatedWorld) -> list[StepMessage]:
    return [StepMessage.from_wire(text) for text in scenes.texts(made, "build-steps")]


def test_a_build_that_waits_for_its_copy_looks_at_once() -> None:
    made, build = _copying()
    before = _steps(made)
    made.ports.clock.advance(timedelta(seconds=40))
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(build.version)), WRITE)
    (step,) = (each for each in _steps(made) if each not in before)
    assert (step.build, step.seq, step.reason, step.once) == (str(build.id), build.seq, "gallery-event", True)
    assert scenes.asked(made) == []  # a look at the image would find the same build under way
    made.factory.driver.step(step, redelivered=False)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version == build.version
    made.settle()  # and the older chain of messages does no harm
    assert made.ports.galleries.latest(LIVE, BASE) == build.version


def test_an_event_that_comes_before_the_end_of_the_copy_starts_no_second_chain() -> None:
    made, build = _copying()
    before = _steps(made)
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(build.version)), WRITE)
    assert _steps(made) == before
    assert scenes.asked(made) == ["rhel9-base"]


def test_a_build_that_waits_for_its_way_into_latest_looks_at_once() -> None:
    made, build = _copying()
    made.ports.clock.advance(timedelta(seconds=40))
    assert build.version is not None
    made.ports.galleries.set_excluded(LIVE, BASE, build.version, excluded=False)
    before = _steps(made)
    made.factory.gallery_events.observe(_id("live", "rhel9-base", str(build.version)), WRITE)
    (step,) = (each for each in _steps(made) if each not in before)
    assert (step.build, step.once) == (str(build.id), True)
