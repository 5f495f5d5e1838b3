"""Is a build still wanted after its tools have changed? Each tool is asked by itself. A truth table."""

from dataclasses import replace

import pytest

from pipeline_core.domain import wanted
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.fingerprint import fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.staleness import World
from pipeline_core.domain.wanted import Wish
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW, OLD


def _world(head: ImageHead, *tools: str) -> World:
    """A catalog with these tools: `a1` is version 1 of the tool `a`."""
    platform = replace(make.PLATFORM, catalog={each[0]: (each[0], each[1], each[1] * 64) for each in tools})
    return replace(make.world(head, newest=OLD), platform=platform)


# The tools of the current version are a1 and b1; what the build brings, what the catalog has now, what is decided.
CASES: dict[str, tuple[tuple[str, str], tuple[str, ...], Wish, str]] = {
    "nothing was taken back": (("a2", "b2"), ("a2", "b2"), Wish.ASKED, ""),
    "both were": (("a2", "b2"), ("a1", "b1"), Wish.WITHDRAWN, "the catalog"),
    "one was, the other stays": (("a2", "b2"), ("a1", "b2"), Wish.WITHDRAWN, "the tool a"),
    "one was, the other is newer still": (("a2", "b2"), ("a1", "b3"), Wish.WITHDRAWN, "the tool a"),
    "both are newer still": (("a2", "b2"), ("a3", "b3"), Wish.OVERTAKEN, ""),
    "one is newer still": (("a2", "b2"), ("a3", "b2"), Wish.OVERTAKEN, ""),
    "the build does not bring the one that is newer": (("a2", "b1"), ("a2", "b2"), Wish.OVERTAKEN, ""),
    "one left, and the build brings another entry of it": (
        ("a2", "b2"),
        ("b2",),
        Wish.WITHDRAWN,
        "the tool a",
    ),
    "one left, and both changed since": (("a2", "b2"), ("b3",), Wish.WITHDRAWN, "the tool a"),
    "one left, and the build has the entry of the current version": (("a1", "b2"), ("b2",), Wish.UNKNOWN, ""),
    "both left": (("a2", "b2"), (), Wish.WITHDRAWN, "the catalog"),
}


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PUBLISHING])
@pytest.mark.parametrize("case", CASES)
def test_a_build_with_a_tool_that_was_taken_back_is_not_wanted(case: str, phase: Phase) -> None:
    brings, there, wish, why = CASES[case]
    head = make.head(catalog=("a", "b"))
    head = make.published(head, make.desired(BASE, _world(head, "a1", "b1")))
    inputs = make.desired(BASE, _world(head, *brings))
    build = replace(make.build(phase), inputs=inputs, fingerprint=fingerprint(inputs))
    answer = wanted.judge(make.snapshot(BASE, _world(head, *there)), build, NOW)
    assert answer.wish is wish
    if why:
        assert answer.why == f"its change of {why} was taken back"


@pytest.mark.parametrize(
    "there", [("a1", "b1"), ("a2", "b1")], ids=["nothing else changed", "another one did"]
)
def test_a_tool_that_the_definition_named_for_a_while_is_taken_back(there: tuple[str, ...]) -> None:
    head = make.head(catalog=("a",))
    head = make.published(head, make.desired(BASE, _world(head, "a1", "b1")))
    named = replace(
        head, registration=replace(head.registration, catalog=("a", "b"), recipe=make.digest("8"))
    )
    inputs = make.desired(BASE, _world(named, "a1", "b1"))
    build = replace(make.build(), inputs=inputs, fingerprint=fingerprint(inputs))
    edited = replace(head, registration=replace(head.registration, recipe=make.digest("9")))
    answer = wanted.judge(make.snapshot(BASE, _world(edited, *there)), build, NOW)
    assert answer.wish is Wish.WITHDRAWN
