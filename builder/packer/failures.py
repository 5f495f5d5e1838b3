"""Finds the class of a failed run in Packer's output, who must act, and whether it stays. Pure.

What failed decides first. A step of the platform is never the team's, and an error after the last step is never a
step's. Azure's answer decides about Azure; what a guest prints decides nothing about it. A failing step of a team
whose cause nobody knows is permanent and the team's. Any other text that no rule knows is `unknown`: two tries, and
never the team's.
"""

import re
import signal
from dataclasses import dataclass, replace

from builder.packer import mirrors, progress
from builder.packer.command import RunEnd, signal_of
from builder.packer.progress import PlannedStep
from pipeline_core.domain import azure_codes, captures
from pipeline_core.domain.azure_code import Occasion
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, ScopeKind
from pipeline_core.wire.job import Plan

MESSAGE_LIMIT = 4000  # characters, the limit of the report
_CAUSE_LIMIT = 400  # characters of the cause in the first line


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerFailure:
    """Why an attempt failed, for its owner.

    `owner` and `permanent` are None where the class alone decides. `after_steps` says that every step had ended, so
    Azure may still finish the version.
    """

    error_class: ErrorClass
    message: str
    owner: Owner | None = None
    permanent: bool | None = None
    scope: ErrorScope | None = None
    after_steps: bool = False


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
_STATUS = re.compile(r"exited with non-zero exit status: (\d+)")
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
_GAVE_UP = re.compile(r"^(?:\S+: )?==> \S+: Provisioning step had errors", re.MULTILINE)
_SAYS = re.compile(r"errored after [^:\n]*: (.+)")
# Azure refuses what a definition asks for. Every other part of a template is the factory's.
_ASKED_BY_TEAM = re.compile(
    r"vm ?size|hardwareProfile|os ?disk|disk ?size|hyper-?v ?generation", re.IGNORECASE
)
_KILLED = 128 + signal.SIGKILL  # a shell's word for a program that was killed
_MEMORY = "a machine without enough memory does this: if it comes again, ask for a larger build.vmSize"


def of_build(
    *,
    ended: RunEnd,
    stage: str,
    connected: bool,
    text: str,
    tail: str,
    seconds: int,
    exit_code: int = 1,
    vm_size: str = "",
    step: PlannedStep | None = None,
    after_steps: bool = False,
) -> PackerFailure:
    """Classify a `packer build` that did not succeed. `text` is the kept part of its output.

    `step` and `after_steps` are what `progress` has followed. Without a step the kept output is searched for one.
    """
    run = _Run(
        ended=ended,
        exit_code=exit_code,
        stage=stage,
        vm_size=vm_size,
        text=text,
        reason=_reason(text),
        step=step or _step(text),
        connected=connected,
        after_steps=after_steps or (step is None and connected and _steps_have_ended(text)),
    )
    failure = _cut_off(run, seconds) or _of_step(run) or _of_azure(run)
    return replace(failure, message=_message(failure.message, tail), after_steps=run.has_done_its_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run that did not succeed: what is known about it, and Packer's own final error (`reason`)."""

    ended: RunEnd
    exit_code: int
    stage: str
    vm_size: str
    text: str
    reason: str
    step: PlannedStep | None
    connected: bool
    after_steps: bool

    @property
    def has_done_its_steps(self) -> bool:
        """True where every step has ended well."""
        return self.connected and self.after_steps and not _STEP.search(self.reason)

    @property
    def is_in_step(self) -> bool:
        """True where a step ran when it ended."""
        return self.connected and not self.has_done_its_steps

    @property
    def title(self) -> str:
        """The step, for a person."""
        return "a step" if self.step is None else self.step.title

    @property
    def where(self) -> str:
        """How far it came."""
        if not self.connected:
            return "before the machine could be reached"
        return f"in {self.title}" if self.is_in_step else "after the last step"


def _cut_off(run: _Run, seconds: int) -> PackerFailure | None:
    """A run that something else ended: a stop, a signal, or its time."""
    if run.ended is RunEnd.STOPPED:
        return PackerFailure(
            error_class=ErrorClass.EVICTION, message="the container was stopped before the run had ended"
        )
    killed = signal_of(run.exit_code)
    if killed and run.ended is RunEnd.BY_ITSELF:
        return PackerFailure(
            error_class=ErrorClass.EVICTION, message=f"Packer was killed by {killed} {run.where}"
        )
    if run.ended is not RunEnd.TIMED_OUT:
        return None
    said = f"the run took longer than its {seconds} s and was ended {run.where}"
    if run.is_in_step:
        return _blame(run, said)
    # Without a step to blame the platform was too slow, and a later attempt may succeed.
    return PackerFailure(error_class=ErrorClass.NETWORK, message=said)


def _of_step(run: _Run) -> PackerFailure | None:
    """A step that ended with an error, by the word of Packer."""
    if not run.is_in_step or not _STEP.search(run.reason or run.text):
        return None
    status = _STATUS.search(run.reason or run.text)
    is_ours = run.step is not None and run.step.is_ours
    if status is not None and int(status[1]) == _KILLED:
        said = f"{run.title} was killed by SIGKILL (exit status {_KILLED}); {_MEMORY}"
        if is_ours:
            scope = ErrorScope(kind=ScopeKind.SIZE, name=run.vm_size) if run.vm_size else None
            return PackerFailure(
                error_class=ErrorClass.EVICTION, message=said, owner=Owner.PLATFORM, scope=scope
            )
        return _blame(run, said)
    outage = mirrors.find(_output_of_step(run.text), is_ours=is_ours)
    if outage is not None:
        scope = ErrorScope(kind=ScopeKind.ENDPOINT, name=outage.host) if outage.host else None
        said = f"{run.title} could not reach a package mirror or an update server: {outage.said}"
        return PackerFailure(error_class=ErrorClass.MIRROR, message=said, scope=scope)
    return _blame(run, f"{run.title} failed in the guest")


def _of_azure(run: _Run) -> PackerFailure:
    """What Azure or Packer says of a run that no step and no other cause has ended."""
    # While a step runs, its output is between Packer's lines, so only Packer's final error counts.
    said = _of_platform(run)
    refusal = captures.remedy_of(run.reason) or captures.remedy_of(_OF_GUEST.sub("", said))
    if (
        refusal
    ):  # a security type that does not fit has vague codes, and the same attempt again has the same end
        return PackerFailure(error_class=ErrorClass.TEMPLATE, message=refusal, owner=Owner.PLATFORM)
    found = _found(run.reason, said, Occasion(run.stage))
    if found is not None:
        owner = None
        if found is ErrorClass.TEMPLATE and not _ASKED_BY_TEAM.search(said):
            owner = Owner.PLATFORM
        return PackerFailure(error_class=found, message=_summary(found, run.reason), owner=owner)
    if run.is_in_step:
        return _blame(run, f"{run.title} failed")
    return PackerFailure(error_class=ErrorClass.UNKNOWN, message=f"Packer failed {run.where}")


def _blame(run: _Run, message: str) -> PackerFailure:
    """A failure of the step that ran. A step of the platform is never the team's, but what hygiene finds is."""
    is_ours = run.step is not None and run.step.is_ours
    if run.stage == "verify":
        return PackerFailure(error_class=ErrorClass.SMOKE, message=message, owner=Owner.PLATFORM)
    if "hygiene-check" in run.title:
        # The script ends with 1 for what it has found (85-hygiene-check.sh). All else is its own fault.
        status = _STATUS.search(run.reason or run.text)
        has_found = status is not None and status[1] == "1"
        return PackerFailure(
            error_class=ErrorClass.HYGIENE, message=message, owner=None if has_found else Owner.PLATFORM
        )
    owner = Owner.PLATFORM if is_ours else None
    return PackerFailure(error_class=ErrorClass.PROVISIONER, message=message, owner=owner)


def naming_plan(failure: PackerFailure, plan: Plan | None) -> PackerFailure:
    """The failure with a remedy that can be copied: terms belong to the plan that the job names.

    `az vm image terms accept` takes a URN or these three (learn, az vm image), and a child knows no URN.
    """
    if plan is None or failure.error_class is not ErrorClass.TERMS:
        return failure
    names = f"--publisher {plan.publisher} --offer {plan.product} --plan {plan.name}"
    return replace(failure, message=failure.message.replace(azure_codes.ANY_PLAN, names, 1))


def of_validate(*, ended: RunEnd, tail: str, exit_code: int = 1) -> PackerFailure:
    """Classify a `packer validate` that did not succeed. It calls no service, so the template is wrong.

    The factory wrote the template: what a team chose in it is of a strict alphabet, and Packer has no rule about it.
    """
    if ended is RunEnd.STOPPED:
        return PackerFailure(
            error_class=ErrorClass.EVICTION, message="the container was stopped before the run began"
        )
    if ended is RunEnd.TIMED_OUT or signal_of(exit_code):
        said = (
            "did not answer in time" if ended is RunEnd.TIMED_OUT else f"was killed by {signal_of(exit_code)}"
        )
        return PackerFailure(
            error_class=ErrorClass.EVICTION,
            message=_message(f"Packer {said} while it read the template", tail),
        )
    return PackerFailure(
        error_class=ErrorClass.TEMPLATE,
        message=_message("Packer refused the template", tail),
        owner=Owner.PLATFORM,
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


def _steps_have_ended(text: str) -> bool:
    """True where Packer said, after the last step's title, that it goes on with what follows the steps."""
    titles = list(_SAID.finditer(text))
    return _POWERED_OFF.search(text, titles[-1].end() if titles else 0) is not None


def _reason(text: str) -> str:
    """Packer's own final error, without the output of scripts in the guest."""
    found = _ERRORED.search(text)
    return text[found.start() :] if found else ""


def _step(text: str) -> PlannedStep | None:
    """The last step whose title is in the kept output, where nobody has followed the run."""
    found = _SAID.findall(text)
    return progress.of_title(str(found[-1])) if found else None


def _output_of_step(text: str) -> str:
    """What the guest printed since the last title, up to where Packer gave the step up."""
    titles = list(_SAID.finditer(text))
    rest = text[titles[-1].end() if titles else 0 :]
    for end in (_GAVE_UP, _CLEANUP, _ERRORED):
        found = end.search(rest)
        rest = rest if found is None else rest[: found.start()]
    return rest


def _of_platform(run: _Run) -> str:
    """The output in which no step of a guest speaks: before the machine was reached, or after the last step."""
    if not run.connected or (run.step is None and not run.reason):
        return run.text
    if run.is_in_step:
        return run.reason
    ends = list(_POWERED_OFF.finditer(run.text))
    return run.text[ends[-1].start() :] if ends else run.reason


def _message(summary: str, tail: str) -> str:
    return f"{summary}; its last lines:\n{tail}"[:MESSAGE_LIMIT] if tail else summary[:MESSAGE_LIMIT]
