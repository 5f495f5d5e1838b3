"""Answers for readers: pages, lineage, and one image with what would be decided about it now."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from benchmarks import page_latency
from benchmarks.growth import seeded
from benchmarks.growth.seeded import SeededFleet
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName, TeamName, build_id
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.services.views.queries import Queries
from pipeline_core.state import images as records
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS

Answer = TypeVar("Answer")

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def test_pages_hold_every_image_once_and_in_order() -> None:
    names = [f"image-{number:02d}" for number in range(7)]
    made = scenes.registered(dict.fromkeys(names))
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = made.factory.queries.images(after=after, limit=3)
        seen += [view.name for view in page.images]
        if page.next is None:
            break
        after = page.next
    assert seen == names


def test_names_that_begin_alike_are_not_lost_between_pages() -> None:
    names = ["a", "a-b", "a-b-c", "a0", "ab"]
    made = scenes.registered(dict.fromkeys(names))
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = made.factory.queries.images(after=after, limit=1)
        seen += [view.name for view in page.images]
        if page.next is None:
            break
        after = page.next
    assert sorted(seen) == sorted(names)
    assert len(seen) == len(names)


def test_a_page_is_never_larger_than_the_limit() -> None:
    made = scenes.registered({f"i{number}": None for number in range(205)})
    page = made.factory.queries.images(limit=100_000)
    assert len(page.images) == 200
    assert page.next


def test_a_page_of_a_team_holds_its_images_only() -> None:
    made = scenes.registered(ONE)
    scenes.register_for(made, "app", "rhel9-base", "payments")
    page = made.factory.queries.images(team=TeamName("payments"))
    assert [view.name for view in page.images] == ["app"]


def test_the_list_says_current_stale_and_unknown() -> None:
    made = scenes.registered(TWO)
    states = {view.name: view.state for view in made.factory.queries.images().images}
    assert states == {"rhel9-base": "stale", "rhel9-java": "unknown"}
    made.drain()
    states = {view.name: view.state for view in made.factory.queries.images().images}
    assert states == {"rhel9-base": "current", "rhel9-java": "current"}
    scenes.released(made)
    views = {view.name: view for view in made.factory.queries.images().images}
    assert views["rhel9-base"].state == "stale"
    assert views["rhel9-base"].reasons[0].startswith("source-changed")


def test_a_child_whose_parent_is_on_another_page_is_judged_by_it() -> None:
    made = scenes.settled({"z-parent": None, "a-child": "z-parent"})
    (view,) = made.factory.queries.images(limit=1).images
    assert (view.name, view.state) == ("a-child", "current")


def test_the_lineage_shows_levels_and_parents() -> None:
    made = scenes.registered()
    view = made.factory.queries.lineage()
    assert view.levels == (
        ("rhel9-base",),
        ("rhel9-java", "rhel9-python", "rhel9-vault"),
        ("ml-worker", "payments-api"),
    )
    assert view.parents["payments-api"] == "rhel9-java"
    assert view.parents["rhel9-base"] is None
    assert view.errors == ()


def test_one_image_shows_its_builds_and_journal_newest_first() -> None:
    made = scenes.settled(TWO)
    scenes.released(made)
    made.drain()
    detail = made.factory.queries.image(JAVA)
    head = scenes.head(made, JAVA)
    assert head.current is not None
    assert detail.image.version == str(head.current.version)
    assert detail.image.parent == "rhel9-base"
    assert (detail.image.origin_version or "").startswith("rhel9-base@")
    assert detail.etag == str(head.registration.definition)
    assert [build.created_at for build in detail.builds] == sorted(
        (build.created_at for build in detail.builds), reverse=True
    )
    assert detail.builds[0].id == str(head.current.build)
    assert [entry.at for entry in detail.journal] == sorted(
        (entry.at for entry in detail.journal), reverse=True
    )
    assert detail.journal[-1].event is Event.REGISTERED


def test_one_image_says_what_would_be_decided_about_it_now() -> None:
    made = scenes.settled()
    scenes.released(made)
    assert made.factory.queries.image(BASE).image.state == "stale"
    assert made.factory.queries.image(JAVA).image.state == "current"
    scenes.in_phase(made, BASE, Phase.BUILDING)
    view = made.factory.queries.image(BASE).image
    assert (view.state, view.active_phase) == ("in-flight", "building")
    made.register("payments-api", "rhel9-java", text="edited")
    view = made.factory.queries.image(PAYMENTS).image
    assert (view.state, view.detail) == ("waits-for-ancestor", "rhel9-base is stale and is rebuilt first")
    assert view.reasons[0].startswith("bundle-changed")


def test_questions_change_nothing() -> None:
    made = scenes.settled(TWO)
    before = [made.ports.tables.rows(table) for table in ("images", "index", "capacity")]
    made.factory.queries.images()
    made.factory.queries.image(BASE)
    made.factory.queries.lineage()
    assert made.factory.queries.check()
    assert [made.ports.tables.rows(table) for table in ("images", "index", "capacity")] == before
    assert made.ports.queues.names() == []


def test_a_build_is_shown_with_its_failure_and_who_owns_it() -> None:
    made = scenes.registered(ONE, failing={("rhel9-base", "build"): "provisioner"})
    made.drain()
    (build,) = scenes.builds(made, BASE)
    view = made.factory.queries.build(build.id)
    assert (view.phase, view.result, view.lane) == ("finished", "failed", "human")
    assert (view.failure_class, view.failure_owner) == ("provisioner", "team")
    assert view.failure == "the simulated provisioner failed"
    assert view.reasons[0].startswith("never-built")


def test_gates_are_shown_as_the_build_keeps_them() -> None:
    made = scenes.settled(ONE)
    (build,) = scenes.builds(made, BASE)
    verdict = Verdict(
        gate="compliance", passed=False, evidence="scored 41.5 of 90", simulated=True, score=41.5
    )
    stored = scenes.images(made).find_build(build.id)
    assert stored is not None
    judged = replace(stored.value, verdicts=(verdict,))
    scenes.images(made).commit([records.put_build(judged, etag=stored.etag)])
    expected = Verdict(
        gate="compliance", passed=False, score=41.5, evidence="scored 41.5 of 90", simulated=True
    )
    assert made.factory.queries.build(build.id).gates == (expected,)
    assert made.factory.queries.image(BASE).builds[0].gates == build.verdicts  # the copy as it ended


def test_a_child_that_failed_for_good_is_blocked_and_what_is_below_it_is_held_back() -> None:
    made = scenes.settled()
    before = made.versions()
    made.platform.failing = {("rhel9-java", "verify"): "compliance"}
    scenes.released(made)
    made.drain()
    java, below = (made.factory.queries.image(name).image for name in (JAVA, PAYMENTS))
    assert (java.state, java.version) == ("blocked", before["rhel9-java"])
    assert " failed: compliance: " in java.detail
    assert [each.type.value for each in java.conditions] == ["Blocked"]
    assert (below.state, below.version) == ("current", before["payments-api"])
    (held,) = below.conditions
    assert (held.type.value, held.reason, held.message) == ("HeldBack", "AncestorBlocked", below.detail)
    assert below.detail.startswith(f"its parent rhel9-java stays on {java.version}: {java.detail[:100]}")
    sibling = made.factory.queries.image(ImageName("ml-worker")).image
    assert (sibling.state, sibling.detail, sibling.conditions) == ("current", "", ())


def test_what_does_not_exist_is_not_found() -> None:
    made = scenes.registered({})
    with pytest.raises(NotFound, match="ghost"):
        made.factory.queries.image(ImageName("ghost"))
    with pytest.raises(NotFound):
        made.factory.queries.build(BuildId("ghost.000000000000.1"))


def _pages(made: SimulatedWorld, fleet: SeededFleet) -> list[int]:
    queries = made.factory.queries
    starts = ("", "image-00100", "image-00150")
    return [fleet.cost(partial(queries.images, limit=50, after=start)).tables for start in starts]


def test_a_page_costs_the_same_reads_whatever_is_on_it_and_whatever_is_built() -> None:
    """Parents are on other pages, and in the cascade every image of the page has a build. The first one has a root."""
    fleet = seeded.current([None, *[0] * 9, *[1 + number % 9 for number in range(190)]])
    assert _pages(fleet.world, fleet) == [6, 5, 5]
    fleet.change(
        lambda head: replace(
            head,
            active=ActiveBuild(
                build=build_id(head.name, fingerprint_of(head), 1),
                fingerprint=fingerprint_of(head),
                phase=Phase.PENDING,
            ),
        )
    )
    assert _pages(fleet.world, fleet) == [8, 7, 7]


def fingerprint_of(head: ImageHead) -> Fingerprint:
    assert head.current is not None
    return head.current.fingerprint


def test_a_page_shows_each_phase_of_a_build() -> None:
    made = scenes.registered({"rhel9-base": None, "tools": None})
    for phase in (Phase.PENDING, Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING):
        scenes.in_phase(made, BASE, phase)
        (view, *_) = made.factory.queries.images().images
        assert (view.active_phase, made.factory.queries.image(BASE).image.active_phase) == (
            phase.value,
            phase.value,
        )


def test_a_page_shows_an_image_as_stale_by_the_version_of_a_parent_on_another_page() -> None:
    made = scenes.settled({"a-base": None, "z-child": "a-base"})
    child = ImageName("z-child")
    stored = scenes.images(made).get_head(child)
    registration = replace(stored.value.registration, suspend=True)
    scenes.images(made).commit(
        [records.put_head(replace(stored.value, registration=registration), etag=stored.etag)]
    )
    made.base.effects.projection.project(child)
    scenes.released(made)
    made.drain()
    (view,) = made.factory.queries.images(after="a-base").images
    assert view.state == "stale"
    assert view.reasons[0].startswith("parent-changed")
    made.register("other", None)
    made.drain()
    made.register("z-child", "other", suspend=True)
    (view,) = made.factory.queries.images(
        after="other"
    ).images  # no look yet: the note is about the old parent
    assert view.parent == "other"
    assert "other@" in view.reasons[0]


class CountedReads:
    """Reads in turn, and counts the table operations of each."""

    def __init__(self, made: SimulatedWorld) -> None:
        self._tables = made.ports.tables
        self.begun: list[int] = []

    def begin(self, read: Callable[[], Answer]) -> Callable[[], Answer]:
        before = self._tables.operations
        found = read()
        self.begun.append(self._tables.operations - before)
        return lambda: found


def _waits(fleet: SeededFleet, ask: Callable[[Queries], object]) -> int:
    """Table operations that wait for each other, where reads that are begun together take as long as the longest."""
    made = fleet.world
    reads, queries = CountedReads(made), made.factory.queries
    counted = replace(queries, effects=replace(queries.effects, reads=reads))
    cost = fleet.cost(lambda: ask(counted)).tables
    return cost - sum(reads.begun) + max(reads.begun)


def test_a_page_waits_for_two_reads() -> None:
    fleet = page_latency.in_cascade(100)
    assert _waits(fleet, lambda queries: queries.images(limit=50)) == 2


class ReadsAhead(CountedReads):
    """Counts how many reads have begun and were not waited for, at most."""

    def __init__(self, made: SimulatedWorld) -> None:
        super().__init__(made)
        self._open = self.most = 0

    def begin(self, read: Callable[[], Answer]) -> Callable[[], Answer]:
        answer = super().begin(read)
        self._open += 1
        self.most = max(self.most, self._open)

        def wait() -> Answer:
            self._open -= 1
            return answer()

        return wait


def test_what_is_below_an_image_is_read_a_few_images_at_a_time() -> None:
    fleet = seeded.current(seeded.below_one(60))
    made, queries = fleet.world, fleet.world.factory.queries
    reads = ReadsAhead(made)
    counted = replace(queries, effects=replace(queries.effects, reads=reads))
    cost = fleet.cost(lambda: counted.lineage(seeded.name_of(0), limit=50)).tables
    assert (reads.most, cost) == (
        4,
        1 + 1 + 50,
    )  # the head, the first page of the index, and a read for each image


def test_an_image_waits_for_its_chain_and_for_little_else() -> None:
    fleet = page_latency.in_cascade(100)
    chain = 3 + 2 + 2  # heads, source and platform, claims
    # Then the versions above it beside its history, and at last what cannot be read of it.
    assert _waits(fleet, lambda queries: queries.image(seeded.name_of(95))) <= chain + 2 + 1
