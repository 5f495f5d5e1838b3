"""Every class of error, from the body that Azure sends, the words that Packer prints or the check that fails."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from azure.core.exceptions import ServiceRequestError

from builder.packer import failures
from builder.packer.command import RunEnd
from pipeline_core.adapters.azure import errors
from pipeline_core.domain import gates, retry
from pipeline_core.domain.compliance import RuleCounts, Scan
from pipeline_core.domain.definitions import ComplianceTarget, Verification
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.retry import GiveUp, TryAgain
from pipeline_core.domain.verdicts import Check
from tests.unit.adapters.azure_answers import ANSWERS, Arm, Storage, arm


@pytest.mark.parametrize(("answer", "wanted"), ANSWERS.values(), ids=ANSWERS.keys())
def test_azures_own_body_has_its_class_its_wait_and_its_words(
    answer: Arm | Storage, wanted: ErrorClass
) -> None:
    ours = errors.translate(answer.raised(), "create group if-quota-capacity-1")
    assert isinstance(ours, TransientError if wanted.is_transient else PermanentError)
    assert isinstance(ours, NotFound) is (wanted is ErrorClass.NOT_FOUND)
    assert ours.error_class is wanted
    said = answer.error["message"] if isinstance(answer, Arm) else answer.message
    assert said[:40] in str(ours)
    assert "RequestId" not in str(ours)
    if isinstance(ours, TransientError):
        assert ours.retry_after == answer.wait


def test_a_name_that_holds_a_word_of_the_rules_decides_nothing() -> None:
    conflict = arm(409, "OperationNotAllowed", "The version is Creating and cannot be copied.").raised()
    ours = errors.translate(conflict, "copy quota-service in capacity-planner")
    assert isinstance(ours, TransientError)
    assert ours.error_class is ErrorClass.CONFLICT


SCRIPT = "Script exited with non-zero exit status: 1. Allowed exit codes are: [0]"
_SAYS = "    azure-arm.image: imagefactory: step"
# As Packer prints them: stage, whether a machine was reached, and the text.
PACKER: Mapping[str, tuple[str, bool, str, ErrorClass]] = {
    "the machine was taken away": (
        "build",
        True,
        '==> azure-arm.image: Code="OperationPreempted" Message="Operation execution has been preempted by a more'
        ' recent operation."',
        ErrorClass.EVICTION,
    ),
    "a size is sold out, told by the deployment's check": (
        "build",
        False,
        "==> azure-arm.image: resources.DeploymentsClient#CreateOrUpdate: Failure sending request: StatusCode=0 --"
        ' Original Error: Code="InvalidTemplateDeployment" Message="The template deployment failed with error: \'The'
        " resource with id: '/subscriptions/s/resourceGroups/rg-build/providers/Microsoft.Compute/virtualMachines"
        "/pkrvm' failed validation with message: 'The requested size for resource 'pkrvm' is currently not available in"
        " location 'westeurope' zones '' for subscription 's'. Please try another size or deploy to a different"
        " location or zones. See https://aka.ms/azureskunotavailable for details.'.'.\"",
        ErrorClass.CAPACITY,
    ),
    "cores, told by the deployment's check": (
        "build",
        False,
        '==> azure-arm.image: Code="InvalidTemplateDeployment" Message="The template deployment is not valid'
        ' according to the validation procedure. See inner errors for details." Details=[{"code":"QuotaExceeded",'
        '"message":"Operation results in exceeding quota limits of Core. Maximum allowed: 10, Current in use: 8,'
        ' Additional requested: 4."}]',
        ErrorClass.QUOTA,
    ),
    "azure policy, told by the deployment's check": (
        "build",
        False,
        '==> azure-arm.image: Code="InvalidTemplateDeployment" Message="The template deployment failed because of'
        ' policy violation." Details=[{"code":"RequestDisallowedByPolicy","message":"Resource \'pkrni\' was'
        ' disallowed by policy."}]',
        ErrorClass.AZURE_POLICY,
    ),
    "a template that is refused": (
        "build",
        False,
        '==> azure-arm.image: Code="InvalidTemplateDeployment" Message="Deployment template validation failed."',
        ErrorClass.UNKNOWN,  # the code only wraps, and nothing inside it is known
    ),
    "a code that the definition asked for": (
        "build",
        False,
        "==> azure-arm.image: InvalidParameter: The value Large of parameter hardwareProfile.vmSize is not valid.",
        ErrorClass.TEMPLATE,
    ),
    "an update server that does not answer": (
        "build",
        True,
        f"{_SAYS} 1 of 9: platform: platform/before/10-update.sh\n"
        "    azure-arm.image:   - Curl error (28): Timeout was reached for https://rhui.example.com/repomd.xml\n"
        f"Build 'azure-arm.image' errored after 9 minutes: {SCRIPT}",
        ErrorClass.MIRROR,
    ),
    "a step of the team": (
        "build",
        True,
        f"{_SAYS} 4 of 9: shell: scripts/install.sh\nBuild 'azure-arm.image' errored after 4 minutes: {SCRIPT}",
        ErrorClass.PROVISIONER,
    ),
    "the check of hygiene": (
        "build",
        True,
        f"{_SAYS} 8 of 9: platform: platform/after/85-hygiene-check.sh\nBuild 'azure-arm.image' errored after 9"
        f" minutes: {SCRIPT}",
        ErrorClass.HYGIENE,
    ),
    "the booted machine": (
        "verify",
        True,
        f"{_SAYS} 1 of 1: platform: verify\nBuild 'azure-arm.image' errored after 2 minutes: {SCRIPT}",
        ErrorClass.SMOKE,
    ),
}


@pytest.mark.parametrize(("stage", "connected", "text", "wanted"), PACKER.values(), ids=PACKER.keys())
def test_packers_own_words_have_their_class(
    stage: str, connected: bool, text: str, wanted: ErrorClass
) -> None:
    failed = failures.of_build(
        ended=RunEnd.BY_ITSELF, stage=stage, connected=connected, text=text, tail=text, seconds=3600
    )
    assert failed.error_class is wanted


def test_a_scan_below_the_floor_is_a_matter_of_compliance() -> None:
    target = Verification(
        goss=None, smoke=(), compliance=ComplianceTarget(profile="cis_server_l1", min_score=90)
    )
    checks = [Check(name=name, passed=True) for name in ("boot", "hygiene")]
    scan = Scan(profile="cis_server_l1", score=89.5, counts=RuleCounts(passed=9))
    verdicts = gates.judge(target, checks, scan, waivers=(), floor=ComplianceFloor(), parent=None)
    failure = gates.failure_of(verdicts)
    assert failure is not None
    assert failure.error_class is ErrorClass.COMPLIANCE


def test_no_answer_at_all_is_the_network() -> None:
    ours = errors.translate(ServiceRequestError("Name or service not known"), "get group")
    assert isinstance(ours, TransientError)
    assert ours.error_class is ErrorClass.NETWORK


def test_every_class_is_shown_above() -> None:
    shown = {wanted for _, wanted in ANSWERS.values()} | {wanted for *_, wanted in PACKER.values()}
    # No platform says these: the gates do, the proof, our own guard of definitions, and our own defects.
    ours = {ErrorClass.COMPLIANCE, ErrorClass.PROVENANCE, ErrorClass.POLICY, ErrorClass.INTERNAL}
    assert shown | ours == set(ErrorClass)


@pytest.mark.parametrize(("answer", "wanted"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_platforms_wait_is_never_shortened_and_a_permanent_class_is_never_tried_again(
    answer: Arm | Storage, wanted: ErrorClass
) -> None:
    decision = retry.next_try(wanted, 1, 0.0, retry_after=answer.wait)
    if not wanted.is_transient:
        assert decision == GiveUp()
        return
    assert isinstance(decision, TryAgain)
    assert decision.delay >= (answer.wait or timedelta(0))
