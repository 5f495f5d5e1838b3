"""The breaker of an image: what opens it, what it holds back, and what closes it. Pure.

Three failed builds in a row open it for the content that failed last. The factory does not try those inputs again
by itself, neither after a cool-down nor by a periodic refresh. Any other content is a changed input and is let
through: a new source version, a new parent, other platform steps or an edited definition. It gets one try, since
failures count in a row until a build succeeds or a person asks. A person's request closes the breaker too.
"""

from dataclasses import replace

from pipeline_core.domain.builds import Build
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import Breaker, ImageHead
from pipeline_core.domain.names import Fingerprint

_LIMIT = 3  # failed builds in a row that open the breaker


def content_of(inputs: BuildInputs) -> Fingerprint:
    """What must change for another try: all inputs except the refresh period, which only time changes."""
    return fingerprint(replace(inputs, period=0))


def is_open(head: ImageHead, desired: BuildInputs) -> bool:
    """True where the breaker holds back a build of these inputs."""
    if head.breaker is None or head.failures < _LIMIT:
        return False
    return head.breaker.content == content_of(desired)


def after_failure(head: ImageHead, failed: Build) -> ImageHead:
    """The head with one more failure in a row; from the third on the breaker opens at that build's content."""
    failures = head.failures + 1
    if failures < _LIMIT:
        return replace(head, failures=failures)
    return replace(
        head,
        failures=failures,
        breaker=Breaker(opened_at=failed.phase_since, content=content_of(failed.inputs)),
    )


def after_success(head: ImageHead) -> ImageHead:
    """The head with no failure counted. A person's request has the same effect: the person has looked."""
    return replace(head, failures=0, breaker=None)


def let_through(head: ImageHead) -> ImageHead:
    """The head when a changed input is built: the breaker is closed, and the next failure opens it again."""
    return replace(head, breaker=None)
