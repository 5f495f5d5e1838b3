"""The stories of a run, by name: their events, and the conditions that must hold for each image at the end.

A scenario writes the builds that must fail into the scenario file. The recorded Packer and the emulated guest read the
file again for every build. So a change of the file during a run applies to builds that begin later.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local.run.story import Story

Say = Callable[[str], None]
_CHILD = "rhel9-java"  # it has a child and siblings
_LEAF = "payments-api"  # it serves a port


class UnknownScenarioError(Exception):
    """There is no scenario with that name. The text lists all scenarios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story. `refused` is the image whose later builds fail `gate`. `held` are all images below it."""

    name: str
    summary: str
    play: Callable[[Story, Say], None]
    refused: str = ""
    gate: str = ""
    held: frozenset[str] = frozenset()

    @property
    def stays(self) -> frozenset[str]:
        """The images that stay on their first version."""
        return self.held | {self.refused} if self.refused else self.held


def find(name: str) -> Scenario:
    """The scenario. Raises UnknownScenarioError."""
    found = SCENARIOS.get(name)
    if found is None:
        raise UnknownScenarioError(f"there is no scenario {name!r}; there are:\n{listing()}")
    return found


def listing() -> str:
    """Every scenario with what it shows, one per line."""
    return "\n".join(f"  {each.name:11} {each.summary}" for each in SCENARIOS.values())


def _release(story: Story, say: Say) -> None:
    say("Red Hat publishes a new RHEL; the timer must find it")
    story.publish_release()
    say("the payments team asks for a rebuild of its image")
    story.rebuild_leaf()


def _bad_child(story: Story, say: Say) -> None:
    say(f"from now on {_CHILD} fails its compliance scan")
    story.let_go_wrong({_CHILD: {"verify": "fail-compliance"}})
    say("Red Hat publishes a new RHEL; the timer must find it")
    story.publish_release(refused=_CHILD, stays=BAD_CHILD.stays)


def _closed_port(story: Story, say: Say) -> None:
    say(f"from now on the firewall of {_LEAF} does not let in the port that it serves")
    story.let_go_wrong({_LEAF: {"verify": "fail-ports"}})
    say("Red Hat publishes a new RHEL; the timer must find it")
    story.publish_release(refused=_LEAF, stays=CLOSED_PORT.stays)


RELEASE = Scenario(
    name="release",
    summary="a new RHEL comes: every image is rebuilt; then a team asks for one more build",
    play=_release,
)
BAD_CHILD = Scenario(
    name="bad-child",
    summary=f"a new RHEL comes, and {_CHILD} fails compliance: it and what is below it stay on the old version",
    play=_bad_child,
    refused=_CHILD,
    gate="compliance",
    held=frozenset({"payments-api"}),
)
CLOSED_PORT = Scenario(
    name="closed-port",
    summary=f"a new RHEL comes, and the builder finds the port of {_LEAF} closed: it stays on the old version",
    play=_closed_port,
    refused=_LEAF,
    gate="ports",
)
SCENARIOS = {each.name: each for each in (RELEASE, BAD_CHILD, CLOSED_PORT)}
