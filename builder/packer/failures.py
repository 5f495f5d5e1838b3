"""Finds the error class of a failed run in Packer's output. Pure. Never guesses `transient`.

A text that no rule knows is permanent: a person then looks at it, and no loop tries again for ever.
"""

import re
from dataclasses import dataclass

from builder.packer.command import RunEnd
from pipeline_core.domain.cloud_errors import CAPACITY
from pipeline_core.domain.errors import ErrorClass

MESSAGE_LIMIT = 4000  # characters, the limit of the report


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerFailure:
    """Why an attempt failed, for its owner."""

    error_class: ErrorClass
    message: str


# The order matters: the first rule that matches anywhere in the last lines decides. A cause that the platform names
# comes before its consequences, such as a script that was cut off because its machine was evicted.
_RULES: tuple[tuple[ErrorClass, str], ...] = (
    (
        ErrorClass.THROTTLED,
        r"TooManyRequests|OperationNotAllowed.*throttl|SubscriptionRequestsThrottled"
        r"|status code 429|StatusCode=429|unexpected status 429",
    ),
    (
        ErrorClass.QUOTA,
        r"QuotaExceeded|exceeding approved .*quota|quota limit|OperationNotAllowed.*[Cc]ores",
    ),
    (
        ErrorClass.CAPACITY,
        "|".join((*sorted(CAPACITY), "is currently not available in location")),
    ),
    (
        ErrorClass.EVICTION,
        r"VMEvicted|Preempted|evicted",
    ),
    (
        ErrorClass.POLICY,
        r"RequestDisallowedByPolicy|was disallowed by policy",
    ),
    (
        ErrorClass.PERMISSION,
        r"AuthorizationFailed|LinkedAuthorizationFailed|does not have authorization|StatusCode=403"
        r"|status 403|MarketplacePurchaseEligibilityFailed|ScopeLocked|ReadOnlyDisabledSubscription",
    ),
    (
        ErrorClass.TOKEN,
        r"ExpiredAuthenticationToken|InvalidAuthenticationToken|AADSTS\d+"
        r"|failed to (acquire|obtain) (a )?token|unexpected status 401|StatusCode=401",
    ),
    # Every attempt has a version of its own. So the next attempt takes another version.
    (
        ErrorClass.CONFLICT,
        r"gallery image version .*already exists",
    ),
    (
        ErrorClass.CONFLICT,
        r"AnotherOperationInProgress|RetryableErrorDueToAnotherOperation|ConflictingUserInput"
        r"|OperationPreempted",
    ),
    (
        ErrorClass.NOT_FOUND,
        r"ResourceNotFound|GalleryImageNotFound|ImageNotFound|PlatformImageNotFound|InvalidResourceReference"
        r"|ResourceGroupNotFound|failed to get image"
        r"|Cannot locate the existing build resource group|status 404|StatusCode=404",
    ),
    (
        ErrorClass.TEMPLATE,
        # InvalidTemplateDeployment is not here, because it only wraps the error that Azure names after it.
        r"VMMarketplaceInvalidInput|InvalidTemplate\b|InvalidParameter|BadRequest"
        r"|PropertyChangeNotAllowed",
    ),
    (
        ErrorClass.NETWORK,
        r"[Tt]imeout waiting for SSH|Error waiting for SSH|ssh: handshake failed"
        r"|connection refused|connection reset by peer|no such host|i/o timeout"
        r"|TLS handshake timeout|context deadline exceeded|Script disconnected unexpectedly"
        r"|InternalServerError|ServiceUnavailable|(status|StatusCode=)\s?50[0234]",
    ),
)
_COMPILED = tuple((error_class, re.compile(pattern)) for error_class, pattern in _RULES)
_STEP = re.compile(
    r"[Ss]cript exited with non-zero exit status|Upload failed|Download failed|Error uploading"
)
_SAID = re.compile(r": imagefactory: (step \d+ of \d+: .*)$", re.MULTILINE)  # as `guest` prints it
_ERRORED = re.compile(r"^(?:\S+: )?Build '[^']*' errored after", re.MULTILINE)


def of_build(
    *, ended: RunEnd, stage: str, connected: bool, text: str, tail: str, seconds: int
) -> PackerFailure:
    """Classify a `packer build` that did not succeed. `text` is the kept part of its output."""
    if ended is RunEnd.STOPPED:
        return PackerFailure(
            error_class=ErrorClass.EVICTION,
            message=_message("the container was stopped before the run had ended", tail),
        )
    step = _step(text)
    inside = _class_of_step(stage, step)
    if ended is RunEnd.TIMED_OUT:
        # Without a connection no step has run. The platform was too slow, and a later attempt may succeed.
        error_class = inside if connected else ErrorClass.NETWORK
        where = "in a step" if connected else "before the machine could be reached"
        return PackerFailure(
            error_class=error_class,
            message=_message(f"the run took longer than its {seconds} s and was ended {where}", tail),
        )
    for part in (_reason(text), text):
        found = _found(part, inside if connected else None)
        if found is not None:
            summary = f"{step} failed in the guest" if found is inside else "Packer could not do it"
            return PackerFailure(error_class=found, message=_message(summary, tail))
    if connected:
        return PackerFailure(error_class=inside, message=_message(f"{step} failed", tail))
    return PackerFailure(error_class=ErrorClass.TEMPLATE, message=_message("Packer failed", tail))


def of_validate(*, ended: RunEnd, tail: str) -> PackerFailure:
    """Classify a `packer validate` that did not succeed. It calls no service, so the template is wrong."""
    if ended is RunEnd.STOPPED:
        return PackerFailure(
            error_class=ErrorClass.EVICTION, message="the container was stopped before the run began"
        )
    return PackerFailure(
        error_class=ErrorClass.TEMPLATE, message=_message("Packer refused the template", tail)
    )


def _found(text: str, inside: ErrorClass | None) -> ErrorClass | None:
    """The class of the first rule that matches. `inside` is the class of a failed step, if steps have run."""
    if inside is not None and _STEP.search(text):
        return inside
    return next((error_class for error_class, pattern in _COMPILED if pattern.search(text)), None)


def _class_of_step(stage: str, step: str) -> ErrorClass:
    if stage == "verify":
        return ErrorClass.SMOKE
    return ErrorClass.HYGIENE if "hygiene-check" in step else ErrorClass.PROVISIONER


def _reason(text: str) -> str:
    """Packer's own final error, without the output of scripts in the guest."""
    found = _ERRORED.search(text)
    return text[found.start() :] if found else ""


def _step(text: str) -> str:
    """The last step whose title was printed in the guest."""
    found = _SAID.findall(text)
    return str(found[-1]) if found else "a step"


def _message(summary: str, tail: str) -> str:
    return f"{summary}; its last lines:\n{tail}"[:MESSAGE_LIMIT] if tail else summary[:MESSAGE_LIMIT]
