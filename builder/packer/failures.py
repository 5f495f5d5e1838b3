"""Finds the error class of a failed run in Packer's output. Pure. Never guesses `transient`.

A text that no rule knows is permanent: a person then looks at it, and no loop tries again for ever.
"""

import re
from dataclasses import dataclass, replace

from builder.packer.command import RunEnd
from pipeline_core.domain import azure_codes, captures
from pipeline_core.domain.azure_code import Occasion
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.wire.job import Plan

MESSAGE_LIMIT = 4000  # characters, the limit of the report
_CAUSE_LIMIT = 400  # characters of the cause in the first line


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerFailure:
    """Why an attempt failed, for its owner."""

    error_class: ErrorClass
    message: str


# Only what is text of Packer, of its plugin or of Go, or words of Azure without a code. Codes are rows of
# `azure_code_table`. The order matters: the first rule that matches anywhere in the last lines decides. A cause that
# the platform tells comes before its consequences, such as a script that was cut off because its machine was evicted.
_RULES: tuple[tuple[ErrorClass, str], ...] = (
    (ErrorClass.THROTTLED, r"status code 429|StatusCode=429|unexpected status 429"),
    (ErrorClass.QUOTA, r"exceeding approved .*quota|quota limit"),
    (
        ErrorClass.CAPACITY,
        r"is currently not available in location"
        # Azure/azure-cli#15539: the message that a failed replication has, with any code around it.
        r"|[Gg]allery replication jobs failed",
    ),
    (ErrorClass.EVICTION, r"VMEvicted|Preempted|evicted"),
    (ErrorClass.TERMS, r"[Ll]egal terms"),
    (ErrorClass.AZURE_POLICY, r"was disallowed by policy"),
    (ErrorClass.PERMISSION, r"does not have authorization|StatusCode=403|status 403"),
    (
        ErrorClass.TOKEN,
        r"failed to (acquire|obtain) (a )?token|unexpected status 401|StatusCode=401",
    ),
    # Every attempt has a version of its own. So the next attempt takes another version.
    (
        ErrorClass.CONFLICT,
        r"gallery image version .*already exists|the managed image named .* already exists",
    ),
    (
        ErrorClass.NOT_FOUND,
        r"failed to get image|Cannot locate the (?:existing build|managed image) resource group|status 404"
        r"|StatusCode=404",
    ),
    (
        ErrorClass.NETWORK,
        r"[Tt]imeout waiting for SSH|Error waiting for SSH|ssh: handshake failed"
        r"|connection refused|connection reset by peer|no such host|i/o timeout"
        r"|TLS handshake timeout|context deadline exceeded|Script disconnected unexpectedly"
        r"|(status|StatusCode=)\s?50[0234]",
    ),
)
_COMPILED = tuple((error_class, re.compile(pattern)) for error_class, pattern in _RULES)
_STEP = re.compile(
    r"[Ss]cript exited with non-zero exit status|Upload failed|Download failed|Error uploading"
)
_SAID = re.compile(r": imagefactory: (step \d+ of \d+: .*)$", re.MULTILINE)  # as `guest` prints it
# Plugins 1.x and 2.x say this right after their provisioners (builder.go, StepPowerOffCompute). A script's output on
# stderr looks alike, so it counts only after the last title of a step.
_POWERED_OFF = re.compile(r"^(?:\S+: )?==> \S+: Powering off machine", re.MULTILINE)
_OF_GUEST = re.compile(r"^(?:\S+: )?    \S+: .*$", re.MULTILINE)  # what a script printed on stdout
# What follows is about what is left, such as a 404 for a machine that was never made (step_deploy_template.go).
_CLEANUP = re.compile(
    r"^(?:\S+: )?==> \S+: (?:Deleting Virtual Machine deployment|Cleanup requested)", re.MULTILINE
)
_ERRORED = re.compile(r"^(?:\S+: )?Build '[^']*' errored after", re.MULTILINE)
_SAYS = re.compile(r"errored after [^:\n]*: (.+)")


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
    has_run = connected and not _steps_have_ended(text)
    inside = _class_of_step(stage, step) if has_run else None
    if ended is RunEnd.TIMED_OUT:
        # Without a step to blame the platform was too slow, and a later attempt may succeed.
        where = "in a step" if has_run else _where(connected)
        return PackerFailure(
            error_class=inside or ErrorClass.NETWORK,
            message=_message(f"the run took longer than its {seconds} s and was ended {where}", tail),
        )
    reason = _reason(text)
    if inside is not None and _STEP.search(reason or text):
        return PackerFailure(error_class=inside, message=_message(f"{step} failed in the guest", tail))
    refusal = captures.remedy_of(reason) or captures.remedy_of(_OF_GUEST.sub("", text))
    if (
        refusal
    ):  # a security type that does not fit has vague codes, and the same attempt again has the same end
        return PackerFailure(error_class=ErrorClass.TEMPLATE, message=_message(refusal, tail))
    found = _found(reason, text, Occasion(stage))
    if found is not None:
        return PackerFailure(error_class=found, message=_message(_summary(found, reason), tail))
    if inside is not None:
        return PackerFailure(error_class=inside, message=_message(f"{step} failed", tail))
    summary = f"Packer failed {_where(connected)}"
    return PackerFailure(error_class=ErrorClass.TEMPLATE, message=_message(summary, tail))


def naming_plan(failure: PackerFailure, plan: Plan | None) -> PackerFailure:
    """The failure with a remedy that can be copied: terms belong to the plan that the job names.

    `az vm image terms accept` takes a URN or these three (learn, az vm image), and a child knows no URN.
    """
    if plan is None or failure.error_class is not ErrorClass.TERMS:
        return failure
    names = f"--publisher {plan.publisher} --offer {plan.product} --plan {plan.name}"
    return replace(failure, message=failure.message.replace(azure_codes.ANY_PLAN, names, 1))


def of_validate(*, ended: RunEnd, tail: str) -> PackerFailure:
    """Classify a `packer validate` that did not succeed. It calls no service, so the template is wrong."""
    if ended is RunEnd.STOPPED:
        return PackerFailure(
            error_class=ErrorClass.EVICTION, message="the container was stopped before the run began"
        )
    return PackerFailure(
        error_class=ErrorClass.TEMPLATE, message=_message("Packer refused the template", tail)
    )


def _found(reason: str, text: str, occasion: Occasion) -> ErrorClass | None:
    """What Azure or Packer names as the cause: in Packer's final error, else in what it said before it cleaned up.

    A vague code gives way to a telling one in an earlier line: the final error of plugin 2.x can be the outer one.
    """
    last = azure_codes.find_in_text(reason, occasion)
    if last is not None and not last.is_vague:
        return last.error_class
    found = _by_rule(reason)
    if found is not None:
        return found
    cleanup = _CLEANUP.search(text)
    before = text if cleanup is None else text[: cleanup.start()]
    earlier = azure_codes.find_in_text(_OF_GUEST.sub("", before), occasion)
    if earlier is not None and (last is None or not earlier.is_vague):
        return earlier.error_class
    return _by_rule(before) if last is None else last.error_class


def _by_rule(text: str) -> ErrorClass | None:
    return next((error_class for error_class, pattern in _COMPILED if pattern.search(text)), None)


def _summary(found: ErrorClass, reason: str) -> str:
    """The cause in Packer's own words, then what to do. A person sees this line first, and often alone."""
    said = _SAYS.search(reason)
    cause = f"Packer could not do it: {said[1].strip()[:_CAUSE_LIMIT]}" if said else "Packer could not do it"
    remedy = azure_codes.remedy_of(found)
    return f"{cause.rstrip('.')}; {remedy}" if remedy else cause.rstrip(".")


def _where(connected: bool) -> str:
    return "after the last step" if connected else "before the machine could be reached"


def _steps_have_ended(text: str) -> bool:
    """True where Packer said, after the last step's title, that it goes on with what follows the steps."""
    titles = list(_SAID.finditer(text))
    return _POWERED_OFF.search(text, titles[-1].end() if titles else 0) is not None


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
