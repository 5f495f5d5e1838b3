"""What becomes of a person's wish for a rebuild when its build was cancelled or failed. Pure.

The token of a wish is part of the desired input, so an image is stale until its build succeeds. Where nothing but the
wish makes it stale, a build that a person stopped, or that failed for good, ends the wish: the image is current.
"""

from dataclasses import replace

from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.images import ImageHead, RebuildRequest


def after_end(head: ImageHead, ended: Build) -> ImageHead:
    """The head without the wish that this build was for, where the image is current without it."""
    wish, current = head.request, head.current
    if wish is None or current is None or wish.token != ended.inputs.token or not _is_final(ended):
        return head
    if replace(ended.inputs, token=current.inputs.token) != current.inputs:
        return head
    before = current.inputs.token
    return replace(
        head, request=None if before is None else RebuildRequest(token=before, actor=wish.actor, at=wish.at)
    )


def _is_final(ended: Build) -> bool:
    if ended.result is Result.FAILED:
        return ended.failure is None or ended.failure.is_of_team
    return ended.result is Result.CANCELLED
