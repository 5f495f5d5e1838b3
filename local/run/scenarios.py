"""The stories that a run can tell, by name: what happens, and what has to be true of each image in the end.

A scenario says which builds go wrong by the scenario file, which the recorded Packer and the emulated guest read
anew for every build: what the file says in the middle of a run is true of the builds that begin later.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local.run.story import Story

Say = Callable[[str], None]
_CHILD = "rhel9-java"  # it has a child of its own, and siblings beside it


class UnknownScenarioError(Exception):
    """There is no scenario of that name; the text lists those that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story. `refused` is the image whose later builds fail `gate`; `held` is everything below it."""

    name: str
    summary: str
    tell: Callable[[Story, Say], None]
    refused: str = ""
    gate: str = ""
    held: frozenset[str] = frozenset()

    @property
    def stays(self) -> frozenset[str]:
        """The images that stay on their first version."""
        return self.held | {self.refused} if self.refused else self.held


def find(name: str) -> Scenario:
    """The scenario; raises UnknownScenarioError."""
    found = SCENARIOS.get(name)
    if found is None:
        raise UnknownScenarioError(f"there is no scenario {name!r}; there are:\n{listing()}")
    return found


def listing() -> str:
    """Every scenario with what it shows, one per line."""
    return "\n".join(f"  {each.name:10} {each.summary}" for each in SCENARIOS.values())


def _release(story: Story, say: Say) -> None:
    say("Red Hat publishes a new RHEL; the timer has to notice")
    story.publish_release()
    say("the payments team asks for a rebuild of its image")
    story.rebuild_leaf()


def _bad_child(story: Story, say: Say) -> None:
    say(f"from now on {_CHILD} fails its compliance scan")
    story.let_go_wrong({_CHILD: {"verify": "fail-compliance"}})
    say("Red Hat publishes a new RHEL; the timer has to notice")
    story.publish_release(refused=_CHILD, stays=BAD_CHILD.stays)


RELEASE = Scenario(
    name="release",
    summary="a new RHEL comes: every image is rebuilt; then a team asks for one more build",
    tell=_release,
)
BAD_CHILD = Scenario(
    name="bad-child",
    summary=f"a new RHEL comes, and {_CHILD} fails compliance: it and what is below it stay on the old version",
    tell=_bad_child,
    refused=_CHILD,
    gate="compliance",
    held=frozenset({"payments-api"}),
)
SCENARIOS = {each.name: each for each in (RELEASE, BAD_CHILD)}
