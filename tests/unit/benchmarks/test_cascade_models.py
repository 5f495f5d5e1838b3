"""The models of other policies and the lower bound, on fleets small enough to be computed by hand."""

import pytest

from benchmarks.cascade import fleet, models
from benchmarks.cascade.fleet import SampleFleet, SimulatedImage
from benchmarks.cascade.models import DAY, POLICIES, POLL, WEEK

NIGHT = 17 * 3600  # from the release at nine to two at night


def image(name: str, parent: int | None = None, build: int = 100) -> SimulatedImage:
    return SimulatedImage(name=name, parent=parent, team="team", build=build, verify=50, publish=10)


FAMILY = SampleFleet(seed=1, images=(image("root"), image("slow", 0, build=200), image("quick", 0)))


def _published(policy: str, *, slots: int = 2, creates_per_hour: int = 100) -> tuple[float, ...]:
    run = models.run(FAMILY, POLICIES[policy], slots=slots, creates_per_hour=creates_per_hour)
    assert run.policy == policy
    return run.published


@pytest.mark.parametrize(
    ("slots", "creates_per_hour", "wanted"),
    [(1, 100, 100 + 50 + 200 + 50 + 100 + 50), (2, 100, 160 + 260), (2, 6, 3600), (2, 12, 1800)],
    ids=["work", "critical path", "creates", "creates of a larger budget"],
)
def test_the_lower_bound_is_the_greatest_of_three(slots: int, creates_per_hour: int, wanted: int) -> None:
    assert FAMILY.lower_bound(slots=slots, creates_per_hour=creates_per_hour) == wanted


def test_chains_and_heights_are_those_of_the_longest_branch() -> None:
    assert FAMILY.chains() == [420, 260, 160]
    assert FAMILY.heights() == [1, 0, 0]
    assert FAMILY.children() == [[1, 2], [], []]


def test_events_are_seen_by_the_next_poll_and_served_first_come() -> None:
    assert POLL == 300
    assert _published("fifo-events") == (460, 720, 620)
    assert _published("fifo-events", slots=1) == (460, 720, 870)


def test_no_hour_has_more_creations_than_are_allowed() -> None:
    # Root at 300 and 400; an hour later each child builds, and after another hour each verifies.
    assert _published("fifo-events", creates_per_hour=2) == (460, 7560, 7660)


def test_a_nightly_run_begins_at_two_and_goes_down_the_lineage() -> None:
    assert _published("nightly-all") == (NIGHT + 160, NIGHT + 420, NIGHT + 320)


def test_a_nightly_run_builds_everything_every_night() -> None:
    run = models.run(FAMILY, POLICIES["nightly-all"], slots=2, creates_per_hour=100)
    assert run.builds == 42 * 3


@pytest.mark.parametrize(
    ("hours", "nights"), [(1, 42), (24, 42), (25, 21), (49, 14)], ids=["short", "a day", "more", "two days"]
)
def test_no_nightly_run_begins_while_another_one_goes_on(hours: int, nights: int) -> None:
    assert models.nights(NIGHT + hours * 3600) == nights


@pytest.mark.parametrize(("policy", "period"), [("weekly-cron", WEEK), ("daily-cron", DAY)])
def test_a_cron_looks_at_each_image_at_its_own_time(policy: str, period: int) -> None:
    rule = POLICIES[policy]
    first = rule.due(FAMILY, 0, 0)
    assert 0 <= first < period
    assert rule.due(FAMILY, 0, first) == first
    assert rule.due(FAMILY, 0, first + 1) == first + period
    assert len({rule.due(FAMILY, place, 0) for place in range(3)}) == 3


@pytest.mark.parametrize("policy", ["weekly-cron", "daily-cron"])
def test_a_cron_finds_a_new_parent_at_its_next_look(policy: str) -> None:
    rule = POLICIES[policy]
    root = rule.due(FAMILY, 0, 0) + 160
    wanted = (root, rule.due(FAMILY, 1, root) + 260, rule.due(FAMILY, 2, root) + 160)
    assert _published(policy, slots=3) == wanted


def test_a_fleet_is_the_same_for_the_same_seed_and_parents_come_first() -> None:
    made = fleet.make(2000, seed=3)
    assert made == fleet.make(2000, seed=3)
    assert made != fleet.make(2000, seed=4)
    assert all(each.parent is None or each.parent < place for place, each in enumerate(made.images))
    assert sum(each.parent is None for each in made.images) == 2
    assert max(made.heights()) == 4


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 2), (0.95, 4), (0.25, 1), (0.01, 1), (1.0, 4)], ids=str)
def test_a_percentile_is_a_value_that_was_seen(share: float, wanted: int) -> None:
    assert fleet.percentile([4, 2, 1, 3], share) == wanted
