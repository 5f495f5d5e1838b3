"""How long the builds take that must follow an image. This measure puts builds in order. Pure.

Durations are measured, not guessed: an image remembers how long its own builds took. An image
that was never built counts `DEFAULT_SECONDS`.
"""

from collections.abc import Mapping
from datetime import timedelta

from pipeline_core.domain.builds import Build
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName

DEFAULT_SECONDS = 1800  # of an image that was never measured
_WEIGHT = 0.3  # of the newest build: three slow ones in a row make two thirds of the difference
_SHARE = 0.2  # of the known length: a smaller change is not written
_LEAST = 60  # seconds: a smaller change is not written


def smoothed(before: int, measured: timedelta) -> int:
    """The remembered seconds of an image's builds after one more; `before` is 0 where none was measured."""
    seconds = max(1, round(measured.total_seconds()))
    return seconds if not before else max(1, round(before + _WEIGHT * (seconds - before)))


def measured(head: ImageHead, ended: Build) -> int:
    """The remembered seconds after a build that succeeded. A build counts from its slot to its end, waits included."""
    if ended.started_at is None:
        return head.build_seconds  # it began before its start was recorded
    return smoothed(head.build_seconds, ended.phase_since - ended.started_at)


def own(head: ImageHead) -> int:
    """Seconds that the image's next build takes: measured, or the default."""
    return head.build_seconds or DEFAULT_SECONDS


def below(head: ImageHead) -> int:
    """Seconds of the longest chain of descendants; estimated from its levels until it is computed."""
    return head.height * DEFAULT_SECONDS if head.chain_seconds is None else head.chain_seconds


def remaining(head: ImageHead) -> int:
    """Seconds from the start of the image's build to the end of the last one in the longest chain."""
    return own(head) + below(head)


def is_leaf(head: ImageHead) -> bool:
    """True where nothing descends from it. `height` is raised with a registration, and the sweep computes the chain."""
    return not head.height and not head.chain_seconds


def reckon(heads: Mapping[ImageName, ImageHead]) -> dict[ImageName, int]:
    """The seconds of the longest chain below each image. Each image is looked at once, leaves first.

    Two edits at one moment can make a cycle. An image in it counts only what is known without the cycle.
    """
    waiting = dict.fromkeys(heads, 0)  # children that are not computed yet
    for head in heads.values():
        if head.registration.parent in waiting:
            waiting[head.registration.parent] += 1
    chains = dict.fromkeys(heads, 0)
    ready = [name for name, count in waiting.items() if not count]
    while ready:
        name = ready.pop()
        parent = heads[name].registration.parent
        if parent is None or parent not in heads:
            continue
        chains[parent] = max(chains[parent], chains[name] + own(heads[name]))
        waiting[parent] -= 1
        if not waiting[parent]:
            ready.append(parent)
    return chains


def has_moved(head: ImageHead, chain: int) -> bool:
    """True where the computed chain differs enough from the remembered one to be written."""
    known = below(head)
    return abs(chain - known) > max(_LEAST, _SHARE * known)
