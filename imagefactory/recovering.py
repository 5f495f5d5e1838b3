"""Follows the recovery of lost state, step by step, to its end. Bounded; a step that fails may be taken again."""

from collections.abc import Callable
from dataclasses import dataclass, field

from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused

_STEPS = 10_000  # of 20 images each: more than a factory has


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What became of every image. The fields have the names of the API's answer: scripts read them as JSON."""

    restored: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    problems: list[Json] = field(default_factory=list)

    def add(self, step: Json) -> None:
        """Count one step."""
        self.restored += step["restored"]
        self.kept += step["kept"]
        self.deleted += step["deleted"]
        self.problems += step["problems"]


def recover(client: Client, report: Callable[[str], None], *, force: bool) -> Recovered:
    """Take every step; raises CommandRefused where the factory refuses, and where the steps do not end."""
    done = Recovered()
    after = ""
    for _ in range(_STEPS):
        step = client.rebuild_state(after, force=force)
        done.add(step)
        report(f"{len(done.restored)} recovered, {len(done.kept)} were there, {len(done.problems)} problems")
        following = step.get("next")
        if not following:
            return done
        if following == after:
            break
        after = following
    raise CommandRefused(f"the steps do not end after {after}: run the command again", status=500)
