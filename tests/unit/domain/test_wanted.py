"""Is a build still wanted? A truth table over what was changed, taken back and forbidden since it was planned."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline_core.domain import wanted
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import Doubt, DoubtKind, ImageHead, RebuildRequest
from pipeline_core.domain.names import ImageName, RebuildToken
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import ParentVersion, SourceVersion
from pipeline_core.domain.staleness import Platform, World
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.domain.wanted import Wish
from tests.unit.domain import factories as make

HEAD = make.published(make.head(), make.desired(make.BASE, make.world(make.head(), newest=make.OLD)))
ASKED = make.desired(make.BASE, make.world(HEAD))  # of a new release
FIRST, LATER = GalleryVersion(9, 20261101, 1), GalleryVersion(9, 20261231, 1)  # versions of a parent
OTHER, THIRD = make.digest("8"), make.digest("9")


def _build(inputs: BuildInputs, phase: Phase = Phase.PENDING) -> Build:
    return make.build(phase, image=inputs.image, inputs=inputs, fingerprint=fingerprint(inputs))


def _judge(
    head: ImageHead, inputs: BuildInputs, *others: ImageHead, phase: Phase = Phase.PENDING, **world: object
) -> wanted.Answer:
    around = replace(make.world(head, *others), **world)  # type: ignore[arg-type]  # tests name the fields
    return wanted.judge(make.snapshot(head.name, around), _build(inputs, phase), make.NOW)


def _registered(**changes: object) -> ImageHead:
    return replace(HEAD, registration=replace(HEAD.registration, **changes))  # type: ignore[arg-type]


def test_what_the_plan_asks_for_is_wanted() -> None:
    assert _judge(HEAD, ASKED).wish is Wish.ASKED


def test_an_image_that_is_not_registered_wants_nothing() -> None:
    empty = World(heads={}, sources={}, platform=make.PLATFORM)
    answer = wanted.judge(make.snapshot(make.BASE, empty), _build(ASKED), make.NOW)
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, f"{make.BASE} is not registered")


def test_what_is_not_known_now_never_means_no() -> None:
    answer = _judge(HEAD, ASKED, platform=None)
    assert answer.wish is Wish.UNKNOWN
    assert answer.wish.is_wanted
    assert "platform" in answer.why
    first = replace(HEAD, current=None)
    assert _judge(first, replace(ASKED, bundle=OTHER), platform=None).wish is Wish.UNKNOWN


@pytest.mark.parametrize(
    ("change", "what"), [({"recipe": OTHER}, "the definition"), ({"bundle": OTHER}, "the bundle")]
)
def test_a_definition_that_is_reverted_is_known_whatever_else_is_not(
    change: dict[str, object], what: str
) -> None:
    answer = _judge(HEAD, replace(ASKED, **change), platform=None)  # type: ignore[arg-type]
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, f"its change of {what} was taken back")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"recipe": OTHER}, "the definition"),
        ({"bundle": OTHER}, "the bundle"),
        ({"platform": OTHER}, "the platform steps"),
        ({"catalog": (("agent", "1.0.0", "a" * 64),)}, "the catalog"),
        ({"recipe": OTHER, "bundle": OTHER}, "the definition, the bundle"),
    ],
)
def test_a_change_that_was_taken_back_is_withdrawn(change: dict[str, object], what: str) -> None:
    """Also where another change of the same build is still wanted: it cannot go live without the other."""
    answer = _judge(HEAD, replace(ASKED, **change))  # type: ignore[arg-type]
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, f"its change of {what} was taken back")
    assert not answer.wish.is_wanted


@pytest.mark.parametrize("field", ["recipe", "bundle"])
def test_a_change_that_a_newer_one_has_overtaken_is_let_in(field: str) -> None:
    head = _registered(**{field: THIRD})
    assert _judge(head, replace(ASKED, **{field: OTHER})).wish is Wish.OVERTAKEN  # type: ignore[arg-type]


def test_newer_platform_steps_overtake_older_ones() -> None:
    built = replace(ASKED, platform=OTHER)
    assert _judge(HEAD, built, platform=Platform(digest=THIRD)).wish is Wish.OVERTAKEN


def test_a_newer_request_or_release_overtakes() -> None:
    request = RebuildRequest(token=RebuildToken("b" * 32), actor="ada", at=make.NOW)
    built = replace(ASKED, token=RebuildToken("a" * 32))
    assert _judge(replace(HEAD, request=request), built).wish is Wish.OVERTAKEN
    older = replace(ASKED, origin=SourceVersion(source=make.SOURCE, version=make.OLD))
    assert _judge(HEAD, replace(older, token=RebuildToken("a" * 32))).wish is Wish.OVERTAKEN


def test_a_first_build_is_overtaken_and_never_taken_back_by_an_edit() -> None:
    head = make.head()
    assert _judge(head, replace(ASKED, recipe=OTHER)).wish is Wish.OVERTAKEN


def test_a_release_or_parent_that_went_back_is_withdrawn() -> None:
    newer = MarketplaceVersion(make.NEW.major, make.NEW.minor, make.NEW.release + 1)
    built = replace(ASKED, origin=SourceVersion(source=make.SOURCE, version=newer))
    answer = _judge(HEAD, built)
    assert answer.wish is Wish.WITHDRAWN
    assert answer.why.endswith(f"was taken back: the image is built from {make.SOURCE.urn(make.NEW)}")
    base, child, _ = make.settled_chain(make.NEW)
    current = base.current
    assert current is not None
    above = GalleryVersion(current.version.major, current.version.day, current.version.sequence + 1)
    inputs = replace(
        make.desired(make.CHILD, make.world(base, child)),
        origin=ParentVersion(image=make.BASE, version=above),
    )
    assert _judge(child, inputs, base).wish is Wish.WITHDRAWN


def _moved(base: ImageHead, version: GalleryVersion) -> ImageHead:
    """The head with this version as the current one."""
    assert base.current is not None
    return replace(base, current=replace(base.current, version=version))


LOST: dict[str, tuple[Callable[[ImageHead], ImageHead], str]] = {
    "nothing is current": (
        lambda base: replace(base, current=None),
        "is no longer current, and no other version of rhel9-base is",
    ),
    "an older one is current": (
        lambda base: _moved(base, GalleryVersion(9, 20250101, 1)),
        "was taken back: the image is built from rhel9-base@9.20250101.1",
    ),
    "a newer one is current": (
        lambda base: _moved(base.taking_out(FIRST), LATER),
        f"rhel9-base@{FIRST} was taken out of latest",
    ),
}


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
@pytest.mark.parametrize("platform", [make.PLATFORM, None], ids=["known", "unknown"])
@pytest.mark.parametrize("case", LOST)
def test_a_parent_that_has_fallen_from_the_version_is_known_whatever_else_is_not(
    case: str, platform: Platform | None, phase: Phase
) -> None:
    fall, words = LOST[case]
    base, child, _ = make.settled_chain(make.NEW)
    inputs = replace(make.desired(make.CHILD, make.world(base, child)), token=RebuildToken("a" * 32))
    answer = _judge(child, inputs, fall(base), phase=phase, platform=platform)
    assert answer.wish is Wish.WITHDRAWN
    assert words in answer.why


def test_a_parent_that_is_doubted_or_not_known_or_has_moved_on_takes_nothing_back() -> None:
    base, child, _ = make.settled_chain(make.NEW)
    inputs = replace(make.desired(make.CHILD, make.world(base, child)), token=RebuildToken("a" * 32))
    assert base.current is not None
    doubt = Doubt(kind=DoubtKind.GONE, version=base.current.version, since=make.NOW)
    assert _judge(child, inputs, replace(base, doubt=doubt)).wish is Wish.UNKNOWN
    assert _judge(child, inputs).wish is Wish.UNKNOWN
    assert _judge(child, inputs, _moved(base, LATER)).wish is Wish.OVERTAKEN
    let_in = replace(base, taken_out=(base.current.version,))
    assert _judge(child, inputs, let_in).wish is Wish.OVERTAKEN


def test_a_former_parent_that_has_fallen_takes_nothing_back_here() -> None:
    base, child, _ = make.settled_chain(make.NEW)
    inputs = make.desired(make.CHILD, make.world(base, child))
    moved = replace(make.head(make.CHILD, make.GRANDCHILD), current=child.current)
    assert _judge(moved, inputs, replace(base, current=None)).wish is Wish.UNKNOWN


OTHER_SOURCE = replace(make.SOURCE, sku="10-lvm-gen2")
OF_OTHER_SOURCE = SourceVersion(source=OTHER_SOURCE, version=MarketplaceVersion(make.NEW.major + 1, 0, 0))
OF_OTHER_PARENT = ParentVersion(image=ImageName("x"), version=GalleryVersion(9, 1, 1))


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
@pytest.mark.parametrize("platform", [make.PLATFORM, None], ids=["known", "unknown"])
@pytest.mark.parametrize("origin", [OF_OTHER_SOURCE, OF_OTHER_PARENT], ids=["a source", "a parent"])
def test_a_move_that_was_taken_back_is_withdrawn_also_where_a_newer_version_is_there_now(
    origin: SourceVersion | ParentVersion, platform: Platform | None, phase: Phase
) -> None:
    """The plan asks for the newer version of the former source or parent: by version alone it looks overtaken."""
    place = str(origin.image) if isinstance(origin, ParentVersion) else origin.source.key
    answer = _judge(HEAD, replace(ASKED, origin=origin), phase=phase, platform=platform)
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, f"its move to {place} was taken back")
    base, child, _ = make.settled_chain(make.NEW)
    inputs = replace(make.desired(make.CHILD, make.world(base, child)), origin=origin)
    answer = _judge(child, inputs, _moved(base, LATER), phase=phase, platform=platform)
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, f"its move to {place} was taken back")


def test_a_move_that_a_further_move_has_overtaken_is_let_in() -> None:
    """It is no step back: the image does not return to where its current version is from."""
    moved_on = _registered(origin=make.head(make.CHILD, ImageName("y")).registration.origin)
    assert _judge(moved_on, replace(ASKED, origin=OF_OTHER_SOURCE)).wish is Wish.UNKNOWN
    third = replace(make.SOURCE, sku="11-lvm-gen2")
    sources = {third.key: FollowedSource(source=third, newest=make.NEW)}
    answer = _judge(_registered(origin=third), replace(ASKED, origin=OF_OTHER_SOURCE), sources=sources)
    assert answer.wish is Wish.OVERTAKEN


def test_before_the_first_version_no_move_is_taken_back() -> None:
    first = replace(HEAD, current=None)
    assert _judge(first, replace(ASKED, origin=OF_OTHER_SOURCE)).wish is Wish.OVERTAKEN


CLOSED = "Sun 00:00-00:01 UTC"
RULES: dict[str, tuple[dict[str, object], str]] = {
    "suspended": ({"suspend": True}, "is suspended"),
    "not wanted": ({"on": frozenset[RebuildOn]()}, "no longer rebuilds on this change"),
}


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
@pytest.mark.parametrize("case", RULES)
def test_a_rule_that_holds_since_withdraws_in_every_phase(case: str, phase: Phase) -> None:
    changes, words = RULES[case]
    answer = _judge(_registered(**changes), ASKED, phase=phase)
    assert answer.wish is Wish.WITHDRAWN
    assert words in answer.why


def test_a_window_that_has_closed_withdraws_only_what_has_not_begun() -> None:
    head = _registered(window=CLOSED, recipe=OTHER)
    settled = make.world(head, newest=make.OLD)
    inputs = make.desired(make.BASE, settled)
    waits, ends = (
        _judge(head, inputs, phase=phase, sources=settled.sources)
        for phase in (Phase.PENDING, Phase.PUBLISHING)
    )
    assert waits.why == "its rebuild window has closed"
    assert ends.wish is Wish.ASKED


def test_a_security_change_that_is_not_in_a_waiting_build_opens_no_window_for_it() -> None:
    head = _registered(window=CLOSED, recipe=OTHER)
    settled = make.world(head, newest=make.OLD)
    edit = make.desired(make.BASE, settled)
    waits, runs = (
        _judge(head, edit, phase=phase, sources=settled.sources, platform=Platform(digest=THIRD))
        for phase in (Phase.PENDING, Phase.BUILDING)
    )
    assert (waits.wish, waits.why) == (Wish.HELD_BACK, "its rebuild window has closed")
    assert not waits.wish.is_wanted
    assert runs.wish is Wish.OVERTAKEN  # a build that has begun may end outside its window


def test_a_security_change_opens_the_window_for_a_build_that_has_it_and_was_overtaken() -> None:
    head = _registered(window=CLOSED, recipe=THIRD)
    built = replace(ASKED, recipe=OTHER)  # of a newer release
    assert _judge(head, built).wish is Wish.OVERTAKEN


@pytest.mark.parametrize(("planned", "wish"), [(Lane.HUMAN, Wish.HELD_BACK), (Lane.SECURITY, Wish.OVERTAKEN)])
@pytest.mark.parametrize("platform", [make.PLATFORM, None], ids=["known", "unknown"])
def test_a_fix_of_the_parent_that_came_later_opens_no_window_for_a_build_from_an_older_version(
    platform: Platform | None, planned: Lane, wish: Wish
) -> None:
    base, child, _ = make.settled_chain(make.NEW)
    child = replace(child, registration=replace(child.registration, window=CLOSED))
    assert base.current is not None
    edit, fix = (GalleryVersion(9, base.current.version.day, sequence) for sequence in (7, 8))
    inputs = make.desired(make.CHILD, make.world(_moved(base, edit), child))
    fixed = replace(base, changes=base.changes.after(Lane.HUMAN, make.NOW).after(Lane.SECURITY, make.NOW))
    around = replace(make.world(_moved(fixed, fix), child), platform=platform)
    build = replace(_build(inputs), lane=planned)
    answer = wanted.judge(make.snapshot(make.CHILD, around), build, make.NOW)
    assert answer.wish is (Wish.UNKNOWN if platform is None and wish is Wish.OVERTAKEN else wish)


def test_a_change_that_is_not_wanted_does_not_begin_because_a_newer_one_is() -> None:
    head = _registered(on=frozenset({RebuildOn.PARENT}), recipe=OTHER)
    settled = make.world(head, newest=make.OLD)
    answer = _judge(head, make.desired(make.BASE, settled))  # a newer release is offered meanwhile
    assert (answer.wish, answer.why) == (
        Wish.HELD_BACK,
        "its definition no longer rebuilds on this change (spec.rebuild.on)",
    )


def test_a_newer_request_of_a_person_opens_the_window_for_what_waits() -> None:
    request = RebuildRequest(token=RebuildToken("b" * 32), actor="ada", at=make.NOW)
    head = replace(_registered(window=CLOSED, recipe=OTHER), request=request)
    inputs = make.desired(make.BASE, make.world(replace(head, request=None), newest=make.OLD))
    assert _judge(head, inputs).wish is Wish.OVERTAKEN


def test_a_step_down_that_waits_for_secops_again_is_withdrawn() -> None:
    newest = make.published(make.head(), ASKED)
    head = replace(newest, registration=replace(newest.registration, recipe=OTHER))
    followed = FollowedSource(source=make.SOURCE, newest=make.OLD)
    inputs = replace(ASKED, recipe=OTHER, origin=SourceVersion(source=make.SOURCE, version=make.OLD))
    answer = _judge(head, inputs, sources={make.SOURCE.key: followed})
    assert answer.why == "its step to an older release waits for SecOps"


def test_a_current_image_wants_no_other_build() -> None:
    current = make.published(make.head(), ASKED)
    answer = _judge(current, replace(ASKED, recipe=OTHER))
    assert answer.wish is Wish.WITHDRAWN
