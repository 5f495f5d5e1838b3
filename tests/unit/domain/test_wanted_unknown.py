"""Is a build still wanted where its desired inputs are not known? What the definition says is known all the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import wanted
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead, RebuildRequest
from pipeline_core.domain.lineage import LineageFault, LineageProblem
from pipeline_core.domain.names import ImageName, RebuildToken
from pipeline_core.domain.releases import FollowedSource, WithdrawalReason, WithdrawnRelease
from pipeline_core.domain.staleness import World
from pipeline_core.domain.wanted import Wish
from tests.unit.domain import factories as make

PARENT = ImageName("rhel9-parent")
HEAD = make.published(make.head(), make.desired(make.BASE, make.world(make.head(), newest=make.OLD)))
RELEASE = make.desired(make.BASE, make.world(HEAD))  # a build of a newer release
EDITED = replace(HEAD, registration=replace(HEAD.registration, recipe=make.digest("8")))
EDIT = make.desired(make.BASE, make.world(EDITED, newest=make.OLD))  # a build of another recipe
OLDER = make.desired(make.BASE, make.world(make.head(), newest=make.OLD))  # what HEAD was built from
CLOSED = "Sun 00:00-00:01 UTC"


def _without_platform(head: ImageHead) -> World:
    return replace(make.world(head), platform=None)


def _without_release(head: ImageHead) -> World:
    """The source offers nothing any more: the release that the image was built from was withdrawn last."""
    gone = WithdrawnRelease(version=make.OLD, since=make.NOW - timedelta(days=1), by=WithdrawalReason.ABSENT)
    followed = FollowedSource(source=make.SOURCE, withdrawn=(gone,))
    return replace(make.world(head), sources={make.SOURCE.key: followed})


def _below_an_unbuilt_parent(head: ImageHead) -> World:
    """A person has moved the image, whose build from a release waits, below an image without a version."""
    origin = make.head(make.BASE, PARENT).registration.origin
    moved = replace(head, registration=replace(head.registration, origin=origin))
    return make.world(moved, make.head(PARENT))


def _without_a_place(head: ImageHead) -> World:
    problem = LineageProblem(image=make.BASE, reason="depth", message="is too deep")
    broken = {make.BASE: LineageFault(problem=problem, since=make.NOW)}
    return replace(make.world(head, newest=make.OLD), broken=broken)


_Cause = Callable[[ImageHead], World]
CAUSES = [_without_platform, _without_release, _below_an_unbuilt_parent, _without_a_place]
each_cause = pytest.mark.parametrize("cause", CAUSES)
each_with_platform = pytest.mark.parametrize("cause", CAUSES[1:])


def _judge(cause: _Cause, head: ImageHead, built: BuildInputs, phase: Phase = Phase.PENDING) -> wanted.Answer:
    build = make.build(phase, image=head.name, inputs=built, fingerprint=fingerprint(built))
    return wanted.judge(make.snapshot(head.name, cause(head)), build, make.NOW)


def _defined(head: ImageHead, **changes: object) -> ImageHead:
    return replace(head, registration=replace(head.registration, **changes))  # type: ignore[arg-type]  # tests name the fields


RULES: dict[str, tuple[dict[str, object], str]] = {
    "suspended": ({"suspend": True}, "is suspended"),
    "not wanted": ({"on": frozenset[RebuildOn]()}, "no longer rebuilds on this change"),
}


@each_cause
@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
@pytest.mark.parametrize("case", RULES)
def test_a_rule_withdraws_a_build_whatever_else_is_not_known(cause: _Cause, phase: Phase, case: str) -> None:
    changes, words = RULES[case]
    answer = _judge(cause, _defined(EDITED, **changes), EDIT, phase)
    assert answer.wish is Wish.WITHDRAWN
    assert words in answer.why


@each_cause
def test_what_no_rule_speaks_against_is_wanted(cause: _Cause) -> None:
    assert _judge(cause, EDITED, EDIT).wish.is_wanted


@each_cause
def test_what_a_person_has_asked_for_is_not_suspended(cause: _Cause) -> None:
    request = RebuildRequest(token=RebuildToken("b" * 32), actor="ada", at=make.NOW)
    asked = _defined(replace(EDITED, request=request), suspend=True)
    assert _judge(cause, asked, EDIT).wish.is_wanted


@each_cause
def test_a_closed_window_withdraws_only_what_has_not_begun(cause: _Cause) -> None:
    head = _defined(EDITED, window=CLOSED)
    waits, ends = (_judge(cause, head, EDIT, phase) for phase in (Phase.PENDING, Phase.PUBLISHING))
    assert (waits.wish, waits.why) == (Wish.WITHDRAWN, "its rebuild window has closed")
    assert ends.wish.is_wanted


def test_a_build_of_a_newer_release_waits_for_no_window() -> None:
    assert _judge(_without_platform, _defined(HEAD, window=CLOSED), RELEASE).wish is Wish.UNKNOWN


def test_a_first_build_is_withdrawn_where_its_image_was_moved_and_suspended() -> None:
    first = make.head(suspend=True)
    assert _judge(_below_an_unbuilt_parent, first, RELEASE).why.startswith("its definition is suspended")
    assert _judge(_below_an_unbuilt_parent, make.head(), RELEASE).wish is Wish.UNKNOWN


def test_the_build_of_the_current_version_is_wanted_while_its_image_is_suspended() -> None:
    """Its last step may run twice, and must not take out what it has let in."""
    head = _defined(make.published(make.head(), RELEASE), suspend=True)
    assert _judge(_without_platform, head, RELEASE, Phase.PUBLISHING).wish is Wish.UNKNOWN


THIRD = ("falcon", "7.2", "c" * 64)  # a newer file of the tool that is in the catalog as 7.1
GONE = ("agent", "1.0", "b" * 64)  # a tool that is not in the catalog any more


@each_with_platform
@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
def test_platform_steps_that_were_taken_back_are_known_whatever_else_is_not(
    cause: _Cause, phase: Phase
) -> None:
    answer = _judge(cause, HEAD, replace(OLDER, platform=make.digest("8")), phase)
    assert (answer.wish, answer.why) == (
        Wish.WITHDRAWN,
        "its change of the platform steps was taken back",
    )


@each_with_platform
def test_platform_steps_that_newer_ones_have_overtaken_are_let_in(cause: _Cause) -> None:
    head = make.published(make.head(), replace(OLDER, platform=make.digest("9")))
    assert _judge(cause, head, replace(OLDER, platform=make.digest("8"))).wish.is_wanted


@each_with_platform
def test_a_tool_that_was_taken_back_is_known_whatever_else_is_not(cause: _Cause) -> None:
    falcon = make.PLATFORM.catalog["falcon"]
    head = _defined(make.published(make.head(), replace(OLDER, catalog=(falcon,))), catalog=("falcon",))
    answer = _judge(cause, head, replace(OLDER, catalog=(THIRD,)))
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, "its change of the catalog was taken back")


def test_a_tool_that_was_taken_back_is_known_although_another_one_has_left() -> None:
    falcon = make.PLATFORM.catalog["falcon"]
    head = make.published(make.head(), replace(OLDER, catalog=(GONE, falcon)))
    head = _defined(head, catalog=("falcon", "agent"))

    def around(head: ImageHead) -> World:
        return make.world(head, newest=make.OLD)

    answer = _judge(around, head, replace(OLDER, catalog=(GONE, THIRD)))
    assert (answer.wish, answer.why) == (Wish.WITHDRAWN, "its change of the catalog was taken back")
    assert _judge(around, head, replace(OLDER, catalog=(GONE, falcon))).wish is Wish.UNKNOWN


def _tool(version: str) -> tuple[str, str, str]:
    return ("agent", version, "a" * 64)


LEFT = {
    # the entry in the current version, and in the build; is the build taken back?
    "another entry than the current one": (_tool("1"), _tool("2"), True),
    "a tool that the current version has not": (None, _tool("2"), True),
    "the current entry": (_tool("1"), _tool("1"), False),
}


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.VERIFYING, Phase.PUBLISHING])
@pytest.mark.parametrize("case", LEFT)
def test_a_tool_that_has_left_the_catalog_is_wanted_as_the_current_version_has_it(
    case: str, phase: Phase
) -> None:
    now, then, is_taken_back = LEFT[case]
    current = replace(OLDER, catalog=() if now is None else (now,))
    head = _defined(make.published(make.head(), current), catalog=("agent",))
    built = replace(current if is_taken_back else RELEASE, catalog=(then,))
    build = make.build(phase, image=head.name, inputs=built, fingerprint=fingerprint(built))
    answer = wanted.judge(make.snapshot(head.name, make.world(head)), build, make.NOW)
    assert (answer.wish is Wish.WITHDRAWN) is is_taken_back, answer
    if is_taken_back:
        assert answer.why == "its change of the catalog was taken back"


def test_a_first_build_with_a_tool_that_has_left_the_catalog_is_not_taken_back() -> None:
    first = make.head(catalog=("agent",))
    built = replace(RELEASE, catalog=(_tool("2"),))
    build = make.build(Phase.PENDING, image=first.name, inputs=built, fingerprint=fingerprint(built))
    assert wanted.judge(make.snapshot(first.name, make.world(first)), build, make.NOW).wish is Wish.UNKNOWN
