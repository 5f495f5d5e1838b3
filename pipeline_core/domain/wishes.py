"""Wishes for a rebuild: what becomes of one whose build was cancelled or failed, and who wishes by `verify`. Pure.

The token of a wish is part of the desired input, so an image is stale until its build succeeds. Where nothing but the
wish makes it stale, a build that a person stopped, or that failed for good, ends the wish: the image is current.
A failure stays in the head, because the person who asked waits for another end.
"""

import hashlib
from dataclasses import replace
from datetime import datetime

from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.images import FailedWish, ImageHead, RebuildRequest
from pipeline_core.domain.names import RebuildToken

_LONGEST = 300  # characters of a failure that are kept; the build has all of them


def after_end(head: ImageHead, ended: Build) -> ImageHead:
    """The head without the wish that this build was for, where the image is current without it."""
    wish, current = head.request, head.current
    if wish is None or current is None or wish.token != ended.inputs.token or not _is_final(ended):
        return head
    if replace(ended.inputs, token=current.inputs.token) != current.inputs:
        return head
    before = current.inputs.token
    return replace(
        head,
        request=None if before is None else RebuildRequest(token=before, actor=wish.actor, at=wish.at),
        failed_wish=_failed(ended) or head.failed_wish,
    )


def _failed(ended: Build) -> FailedWish | None:
    failure = ended.failure
    if ended.result is not Result.FAILED or failure is None:
        return None
    return FailedWish(
        build=ended.id,
        at=ended.phase_since,
        error_class=failure.error_class.value,
        why=failure.message[:_LONGEST],
    )


def to_be_judged(head: ImageHead, *, judged_by: str, actor: str, now: datetime) -> ImageHead:
    """The head with a wish where its version was judged by another `verify` and the definition rebuilds on that.

    `judged_by` is the digest of what was demanded of the current version, empty where nobody knows. The token names
    the version too: a build that was planned before a change may answer the wish, and be judged by what was then.
    """
    current, gates = head.current, head.registration.gates
    if current is None or judged_by in ("", gates) or RebuildOn.VERIFY not in head.registration.on:
        return head
    token = hashlib.sha256(f"verify\n{gates}\n{current.version}".encode()).hexdigest()[:32]
    return replace(head, request=RebuildRequest(token=RebuildToken(token), actor=actor, at=now))


def _is_final(ended: Build) -> bool:
    if ended.result is Result.FAILED:
        return ended.failure is None or ended.failure.is_of_team
    return ended.result is Result.CANCELLED
