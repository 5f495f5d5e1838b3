"""Platform steps on trial: which image is built with what, and what is never built on. A truth table."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.domain import platform_trials, registered_conditions, wanted
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.fingerprint import fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.plan import DoNothing, plan
from pipeline_core.domain.platform_trials import CanaryState, EndedTrial, PlatformTrial
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.staleness import Current, Platform, Stale, Unknown, World, detect_staleness
from pipeline_core.domain.wanted import Wish
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, GRANDCHILD, NOW, OLD

NEW_STEPS = make.digest("e")
TOOLS = {"falcon": ("falcon", "7.2", "b" * 64)}


def _trial(*images: ImageName) -> PlatformTrial:
    return PlatformTrial(
        digest=NEW_STEPS, catalog=TOOLS, images=tuple(sorted(images)), since=NOW, by="user:1@2"
    )


TRIED = replace(make.PLATFORM, trial=_trial(BASE))
BOTH = replace(make.PLATFORM, trial=_trial(BASE, CHILD))
NOT_BASE = replace(make.PLATFORM, trial=_trial(CHILD))
ENDED = replace(make.PLATFORM, ended=(EndedTrial(digest=NEW_STEPS, images=(BASE, CHILD)),))
PROMOTED = Platform(digest=NEW_STEPS, catalog=TOOLS)
SECOND = replace(ENDED, trial=replace(_trial(BASE, CHILD), digest=make.digest("d")))


def _world(platform: Platform, *heads: ImageHead) -> World:
    return replace(make.world(*heads, newest=OLD), platform=platform)


def _built_with_trial() -> tuple[ImageHead, ImageHead, ImageHead]:
    """The base was built with the steps on trial after its descendants were built; so they follow its older version."""
    base, child, grandchild = make.settled_chain()
    tried = make.desired(BASE, _world(TRIED, base, child, grandchild))
    return make.published(base, tried, "9.20261102.1"), child, grandchild


def _chain_with_trial() -> tuple[ImageHead, ImageHead, ImageHead]:
    """The base and its child were built with the steps on trial."""
    base, child, grandchild = _built_with_trial()
    tried = make.desired(CHILD, _world(BOTH, base, child, grandchild))
    return base, make.published(child, tried, "9.20261102.1"), grandchild


CASES: dict[str, tuple[Callable[[], tuple[ImageHead, ...]], Platform, ImageName, type, str]] = {
    "a canary is stale": (make.settled_chain, TRIED, BASE, Stale, ""),
    "an image that is not named stays": (make.settled_chain, TRIED, CHILD, Current, ""),
    "a canary that was built with them is current": (_built_with_trial, TRIED, BASE, Current, ""),
    "a child that is not named waits": (
        _built_with_trial,
        TRIED,
        CHILD,
        Unknown,
        "this image is not in the trial",
    ),
    "a child that is named follows": (_built_with_trial, BOTH, CHILD, Stale, ""),
    "a named child of another image is tried on its own": (make.settled_chain, NOT_BASE, CHILD, Stale, ""),
    "after the promotion a canary is current": (_built_with_trial, PROMOTED, BASE, Current, ""),
    "after the promotion all others follow": (_built_with_trial, PROMOTED, CHILD, Stale, ""),
    "after the end a canary goes back": (_built_with_trial, ENDED, BASE, Stale, ""),
    "after the end nobody builds on what it has": (
        _built_with_trial,
        ENDED,
        CHILD,
        Unknown,
        "trial has ended",
    ),
    "nor a canary below it": (
        _chain_with_trial,
        ENDED,
        CHILD,
        Unknown,
        "rhel9-base is built without them first",
    ),
    "nor one of the next trial": (_chain_with_trial, SECOND, CHILD, Unknown, "trial has ended"),
    "a second trial makes its canary stale again": (_built_with_trial, SECOND, BASE, Stale, ""),
    "without a field of trials, as an older release wrote it": (
        _built_with_trial,
        make.PLATFORM,
        BASE,
        Stale,
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_which_steps_an_image_is_built_with(case: str) -> None:
    heads, platform, image, expected, why = CASES[case]
    found = detect_staleness(image, _world(platform, *heads()))
    assert isinstance(found, expected), found
    if isinstance(found, Unknown):
        assert why in found.missing


def test_builds_need_the_tools_in_force_and_those_on_trial() -> None:
    in_force = {"falcon": ("falcon", "7.1", "a" * 64), "goss": ("goss", "0.4.9", "c" * 64)}
    platform = replace(TRIED, catalog=in_force)
    assert platform.tools == {*in_force.values(), *TOOLS.values()}
    assert replace(platform, trial=None).tools == set(in_force.values())


def test_a_grandchild_of_a_canary_waits_where_the_child_is_in_the_trial() -> None:
    found = detect_staleness(GRANDCHILD, _world(BOTH, *_chain_with_trial()))
    assert isinstance(found, Unknown)
    assert "this image is not in the trial" in found.missing


def test_steps_that_were_tried_elsewhere_hold_nobody_back_who_has_them_from_before() -> None:
    """The steps of the trial are older ones, which a base still has that is not in the trial."""
    base, child, _ = _built_with_trial()
    platform = replace(make.PLATFORM, trial=_trial(GRANDCHILD))
    assert isinstance(detect_staleness(CHILD, _world(platform, base, child)), Stale)
    ended = replace(make.PLATFORM, ended=(EndedTrial(digest=NEW_STEPS, images=(GRANDCHILD,)),))
    assert isinstance(detect_staleness(CHILD, _world(ended, base, child)), Stale)


@pytest.mark.parametrize(
    ("platform", "shown"),
    [
        (TRIED, ("platform-changed", "ffffffffffff", "eeeeeeeeeeee (on trial)")),
        (ENDED, ("platform-changed", "eeeeeeeeeeee (its trial has ended)", "ffffffffffff")),
    ],
    ids=["it begins", "it has ended"],
)
def test_the_reason_of_a_build_says_that_steps_are_on_trial(
    platform: Platform, shown: tuple[str, ...]
) -> None:
    heads = make.settled_chain() if platform is TRIED else _built_with_trial()
    found = detect_staleness(BASE, _world(platform, *heads))
    assert isinstance(found, Stale)
    assert [(each.kind.value, each.old, each.new) for each in found.reasons] == [shown]


def test_a_canary_is_built_with_the_catalog_on_trial() -> None:
    base = make.head(catalog=("falcon",))
    assert make.desired(BASE, _world(TRIED, base)).catalog == (TOOLS["falcon"],)
    assert make.desired(BASE, _world(make.PLATFORM, base)).catalog == (make.PLATFORM.catalog["falcon"],)


@pytest.mark.parametrize(
    ("platform", "wish"),
    [(TRIED, Wish.ASKED), (ENDED, Wish.WITHDRAWN), (SECOND, Wish.OVERTAKEN), (PROMOTED, Wish.ASKED)],
    ids=["it goes on", "it was given up", "another one replaced it", "it was promoted"],
)
@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
def test_a_build_on_trial_ends_with_its_trial(platform: Platform, wish: Wish, phase: Phase) -> None:
    heads = make.settled_chain()
    inputs = make.desired(BASE, _world(TRIED, *heads))
    built = replace(make.build(phase), inputs=inputs, fingerprint=fingerprint(inputs))
    assert wanted.judge(make.snapshot(BASE, _world(platform, *heads)), built, NOW).wish is wish


AGAIN = replace(ENDED, trial=_trial(BASE, CHILD))
OF_OTHERS = replace(ENDED, ended=(EndedTrial(digest=NEW_STEPS, images=(CHILD,)),))


@pytest.mark.parametrize(
    ("platform", "wish"),
    [
        (TRIED, Wish.ASKED),
        (ENDED, Wish.WITHDRAWN),
        (SECOND, Wish.WITHDRAWN),
        (AGAIN, Wish.ASKED),
        (PROMOTED, Wish.ASKED),
        (OF_OTHERS, Wish.OVERTAKEN),
    ],
    ids=["it goes on", "given up", "replaced", "begun again", "promoted", "given up on others"],
)
@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
def test_the_first_build_of_a_canary_ends_with_its_trial(
    platform: Platform, wish: Wish, phase: Phase
) -> None:
    first = make.head()
    inputs = make.desired(BASE, _world(TRIED, first))
    built = replace(make.build(phase), inputs=inputs, fingerprint=fingerprint(inputs))
    assert wanted.judge(make.snapshot(BASE, _world(platform, first)), built, NOW).wish is wish


def test_a_build_of_a_child_on_trial_is_withdrawn_with_it_though_its_parent_has_not_gone_back() -> None:
    base, child, grandchild = _built_with_trial()
    inputs = make.desired(CHILD, _world(BOTH, base, child, grandchild))
    built = replace(make.build(Phase.PUBLISHING), image=CHILD, inputs=inputs)
    answer = wanted.judge(make.snapshot(CHILD, _world(ENDED, base, child, grandchild)), built, NOW)
    assert (answer.wish, "the platform steps" in answer.why) == (Wish.WITHDRAWN, True)


def test_a_child_that_waits_keeps_its_version_and_says_why() -> None:
    base, child, grandchild = _built_with_trial()
    decision = plan(make.snapshot(CHILD, _world(TRIED, base, child, grandchild)), NOW)
    assert isinstance(decision, DoNothing)
    current = base.current
    assert current is not None
    assert str(ParentVersion(image=BASE, version=current.version)) in decision.detail


def test_a_canary_says_what_is_tried_on_it_and_nobody_else_does() -> None:
    base, child, _ = make.settled_chain()
    around = _world(TRIED, base, child)
    (said,) = registered_conditions.of_registration(base, around)
    assert (said.type, said.since) == (ConditionType.PLATFORM_TRIAL, NOW)
    assert "user:1@2" in said.message
    assert registered_conditions.of_registration(child, around) == ()


def test_a_canary_does_not_miss_a_tool_that_its_trial_has() -> None:
    base = make.head(catalog=("new",))
    platform = replace(TRIED, trial=replace(_trial(BASE), catalog={"new": ("new", "1", "c" * 64)}))
    said = [each.type for each in registered_conditions.of_registration(base, _world(platform, base))]
    assert said == [ConditionType.PLATFORM_TRIAL]


@given(
    parents=some.lists(some.integers(-1, 12), min_size=1, max_size=12), named=some.sets(some.integers(0, 11))
)
def test_the_images_that_a_trial_must_name_are_all_that_is_built_from_its_canaries(
    parents: list[int], named: set[int]
) -> None:
    names = [ImageName(f"image-{number}") for number in range(len(parents))]
    fleet = {
        name: names[above] if 0 <= above < len(names) else None
        for name, above in zip(names, parents, strict=True)
    }
    canaries = {names[number] for number in named if number < len(names)}

    def ancestors(name: ImageName) -> set[ImageName]:
        found: set[ImageName] = set()
        above = fleet[name]
        while above is not None and above not in found:
            found.add(above)
            above = fleet[above]
        return found

    wanted_names = {name for name in names if ancestors(name) & canaries} - canaries
    assert platform_trials.without_name(canaries, fleet) == tuple(sorted(wanted_names))


@pytest.mark.parametrize("state", CanaryState)
def test_a_promotion_waits_for_canaries_that_may_still_show_something(state: CanaryState) -> None:
    assert state.is_awaited is (state in (CanaryState.BUILDING, CanaryState.WAITING))


def _numbered(number: int, *images: ImageName) -> PlatformTrial:
    return replace(_trial(*images), digest=Digest(f"{number:064x}"))


def test_the_newest_trials_that_were_given_up_are_remembered() -> None:
    ended: tuple[EndedTrial, ...] = ()
    for number in range(platform_trials.MOST_ENDED + 5):
        ended = platform_trials.remember(ended, _numbered(number, BASE))
    assert [int(str(each.digest), 16) for each in ended] == list(range(24, 4, -1))


def test_a_trial_that_was_given_up_twice_is_remembered_once_with_all_its_images() -> None:
    ended = platform_trials.remember((), _numbered(1, CHILD))
    ended = platform_trials.remember(ended, _numbered(2, BASE))
    ended = platform_trials.remember(ended, _numbered(1, BASE))
    assert [(int(str(each.digest), 16), each.images) for each in ended] == [
        (1, tuple(sorted((BASE, CHILD)))),
        (2, (BASE,)),
    ]
    assert [each.images for each in platform_trials.forget(ended, ended[0].digest)] == [(BASE,)]
