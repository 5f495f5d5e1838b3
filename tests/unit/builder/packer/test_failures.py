"""A truth table from Packer's words to our classes."""

import pytest

from builder.packer import failures
from builder.packer.command import RunEnd
from pipeline_core.domain.errors import ErrorClass
from tests.unit.builder import samples

STEP = "Script exited with non-zero exit status: 1. Allowed exit codes are: [0]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Code="QuotaExceeded" Message="Operation could not be completed"', ErrorClass.QUOTA),
        ("OperationNotAllowed: exceeding approved standardDSv5Family Cores quota", ErrorClass.QUOTA),
        ("SkuNotAvailable: The requested VM size is not available", ErrorClass.CAPACITY),
        ("AllocationFailed: We do not have sufficient capacity", ErrorClass.CAPACITY),
        ("unexpected status 429 with error: TooManyRequests", ErrorClass.THROTTLED),
        ("AuthorizationFailed: The client 'x' does not have authorization", ErrorClass.PERMISSION),
        ("AADSTS700016: Application not found", ErrorClass.TOKEN),
        ("Timeout waiting for SSH.", ErrorClass.NETWORK),
        ("dial tcp: lookup management.azure.com: no such host", ErrorClass.NETWORK),
        ("context deadline exceeded", ErrorClass.NETWORK),
        ('failed to get image "x" from image gallery "g"', ErrorClass.NOT_FOUND),
        (
            "a gallery image version for image name:version x:1.0.0 already exists in gallery g",
            ErrorClass.CONFLICT,
        ),
        ("the managed image named if-image-1 already exists in the resource group g", ErrorClass.CONFLICT),
        ("Cannot locate the managed image resource group rg-none, received error", ErrorClass.NOT_FOUND),
        ("VMMarketplaceInvalidInput: requires Plan information", ErrorClass.TEMPLATE),
        (
            'Code="InvalidTemplateDeployment" Message="The requested size for resource \'pkrvm\' is currently not'
            " available in location 'westeurope' zones '' for subscription 's'.\"",
            ErrorClass.CAPACITY,
        ),
        (
            "InvalidTemplateDeployment: RequestDisallowedByPolicy: Resource 'pkrvm' was disallowed by policy.",
            ErrorClass.AZURE_POLICY,
        ),
        (
            "ScopeLocked: The scope 'x' cannot perform write operation because following scope(s) are locked",
            ErrorClass.PERMISSION,
        ),
        ("something that nobody has seen", ErrorClass.UNKNOWN),
    ],
)
def test_what_packer_says_before_it_is_connected_is_the_platforms(text: str, expected: ErrorClass) -> None:
    failed = _classify(text, connected=False)
    assert failed.error_class is expected
    assert text in failed.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "OperationNotAllowed : Creation of managed images are not supported for virtual machine with TrustedLaunch "
            "security type.",
            "unregister Microsoft.Compute/TrustedLaunchByDefaultPreview",
        ),
        (
            "InvalidParameter : The security type 'TrustedLaunchSupported' is not supported for the source id '/vm'.",
            "set FACTORY_TRUSTED_LAUNCH_CAPTURE=managed-image",
        ),
        (
            "Conflict : The source '/vm' contains TrustedLaunch or ConfidentialVM security data that cannot be used in",
            "set FACTORY_TRUSTED_LAUNCH_CAPTURE=managed-image",
        ),
    ],
)
def test_a_refused_capture_names_the_setting_first_and_is_no_fault_of_a_step(text: str, said: str) -> None:
    failed = _classify(f"==> image: ERROR: -> {text}", connected=True)
    assert failed.error_class is ErrorClass.TEMPLATE
    assert said in failed.message.splitlines()[0]


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("QuotaExceeded : Operation could not be completed", ErrorClass.QUOTA),
        ("PlatformImageNotFound : The platform image is not available", ErrorClass.NOT_FOUND),
        ("InvalidResourceReference : Resource x/subnets/y was not found", ErrorClass.NOT_FOUND),
        ("SomethingElse : that nobody has seen", ErrorClass.UNKNOWN),
    ],
)
def test_a_refused_deployment_is_what_azure_says_inside(inner: str, expected: ErrorClass) -> None:
    """As plugin 2.x prints it: the last word of the build names the wrapping alone."""
    wrapped = (
        "InvalidTemplateDeployment: The template deployment 'x' is not valid. See inner errors for details."
    )
    text = f"==> image: ERROR:   -> {inner}\n==> image: {wrapped}\nBuild 'image' errored after 1 s: {wrapped}"
    assert _classify(text, connected=False).error_class is expected


@pytest.mark.parametrize(
    ("stage", "step", "expected"),
    [
        ("build", "step 4 of 9: shell: scripts/install.sh", ErrorClass.PROVISIONER),
        ("build", "step 8 of 9: platform: platform/after/85-hygiene-check.sh", ErrorClass.HYGIENE),
        ("verify", "step 1 of 1: platform: verify", ErrorClass.SMOKE),
    ],
)
def test_a_failed_step_is_named_and_belongs_to_its_kind(stage: str, step: str, expected: ErrorClass) -> None:
    text = f"    azure-arm.image: imagefactory: {step}\n==> azure-arm.image: {STEP}"
    failed = _classify(text, connected=True, stage=stage)
    assert failed.error_class is expected
    assert failed.message.startswith(f"{step} failed")


def test_what_a_script_prints_does_not_make_its_failure_the_platforms() -> None:
    text = f"    azure-arm.image: AllocationFailed, I say\nBuild 'azure-arm.image' errored after 1 s: {STEP}"
    assert _classify(text, connected=True).error_class is ErrorClass.PROVISIONER


def test_a_platform_error_after_the_steps_stays_the_platforms() -> None:
    text = (
        f"    azure-arm.image: retried: {STEP}\n"
        "2026-11-21T11:00:00Z: Build 'azure-arm.image' errored after 9 minutes: AllocationFailed: no room"
    )
    assert _classify(text, connected=True).error_class is ErrorClass.CAPACITY


_SEALED = (
    "    azure-arm.image: imagefactory: step 9 of 9: platform: platform/after/90-seal.sh\n"
    "2026-11-21T11:00:00Z: ==> azure-arm.image: Powering off machine ...\n"
    "2026-11-21T11:01:00Z: ==> azure-arm.image: Publishing to Shared Image Gallery ...\n"
)
_FROM_PIR = "InvalidBeginGetAccessForGalleryImageVersionSnapshotResponseFromPIR"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (f"ERROR: -> {_FROM_PIR} : The response is invalid.", ErrorClass.NETWORK),
        (
            "Code: SomethingElse Message: Gallery replication jobs failed in one or more regions.",
            ErrorClass.CAPACITY,
        ),
        ("a code that nobody has seen: SomethingElse", ErrorClass.UNKNOWN),
        ("<html><h1>502 Bad Gateway</h1></html>", ErrorClass.UNKNOWN),
        ("", ErrorClass.UNKNOWN),
    ],
)
@pytest.mark.parametrize("before", ["", "    azure-arm.image: retried: " + STEP + "\n"], ids=["", "retried"])
def test_an_error_after_the_last_step_is_never_a_steps(said: str, expected: ErrorClass, before: str) -> None:
    failed = _classify(
        f"{before}{_SEALED}Build 'azure-arm.image' errored after 9 minutes: {said}", connected=True
    )
    assert failed.error_class is expected
    assert "step 9" not in failed.message.splitlines()[0]


def test_a_run_out_of_time_after_the_last_step_is_the_platforms() -> None:
    failed = _classify(_SEALED, connected=True, ended=RunEnd.TIMED_OUT)
    assert failed.error_class is ErrorClass.NETWORK
    assert "after the last step" in failed.message


def test_what_an_earlier_step_says_of_power_does_not_end_the_steps() -> None:
    text = (
        "==> azure-arm.image: Powering off machine ...\n"
        "    azure-arm.image: imagefactory: step 2 of 9: shell: scripts/install.sh\n"
        "Build 'azure-arm.image' errored after 9 minutes: something that nobody has seen"
    )
    assert _classify(text, connected=True).error_class is ErrorClass.PROVISIONER
    stdout = text.replace("==> azure-arm.image: Powering", "    azure-arm.image: Powering")
    assert _classify(stdout, connected=True).error_class is ErrorClass.PROVISIONER


def test_a_script_that_prints_a_code_does_not_name_the_cause() -> None:
    text = (
        "    azure-arm.image: imagefactory: step 2 of 9: shell: scripts/install.sh\n"
        '    azure-arm.image: Code="AllocationFailed" Message="I say"\n'
        "Build 'azure-arm.image' errored after 9 minutes: something that nobody has seen"
    )
    assert _classify(text, connected=True).error_class is ErrorClass.PROVISIONER


def test_the_final_error_may_be_the_vague_outer_one() -> None:
    text = (
        "==> image: ERROR: -> MarketplacePurchaseEligibilityFailed : See inner errors for details.\n"
        "==> image: ERROR:   -> BadRequest : Legal terms have not been accepted for this item.\n"
        "Build 'image' errored after 1 s: MarketplacePurchaseEligibilityFailed: See inner errors for details."
    )
    failed = _classify(text, connected=False)
    assert failed.error_class is ErrorClass.TERMS
    first = failed.message.splitlines()[0]
    assert first.index("MarketplacePurchaseEligibilityFailed") < first.index("az vm image terms accept --urn")


def test_the_remedy_of_terms_names_the_plan_of_the_job() -> None:
    failed = _classify("BadRequest: Legal terms have not been accepted for this item.", connected=False)
    named = failures.naming_plan(failed, samples.PLAN).message
    names = f"--publisher {samples.PLAN.publisher} --offer {samples.PLAN.product} --plan {samples.PLAN.name}"
    assert f"az vm image terms accept {names}" in named
    assert "PUBLISHER:OFFER" not in named
    assert failures.naming_plan(failed, None) == failed


def test_a_failure_of_another_class_is_left_as_it_is() -> None:
    failed = _classify("az vm image terms accept --urn PUBLISHER:OFFER:SKU:VERSION", connected=False)
    assert failures.naming_plan(failed, samples.PLAN) == failed


def test_the_first_line_has_the_cause_but_not_all_of_it() -> None:
    said = 'Code="QuotaExceeded" Message="' + "x" * 5000
    failed = _classify(f"Build 'image' errored after 1 s: {said}", connected=False)
    first = failed.message.splitlines()[0]
    assert first.startswith('Packer could not do it: Code="QuotaExceeded"')
    assert len(first) < 500


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('Code="InvalidParameter" Message="The value Large is not valid."', ErrorClass.TEMPLATE),
        ('Code="Conflict" Message="try later"', ErrorClass.CONFLICT),
        ("something that nobody has seen", ErrorClass.UNKNOWN),
    ],
)
@pytest.mark.parametrize(
    "deleting",
    [
        "Deleting Virtual Machine deployment and its attatched resources...",  # plugin 1.4.5
        "Deleting Virtual Machine deployment and its attached resources...",  # plugin 2.6.3
        "Cleanup requested, deleting resource group ...",
    ],
)
def test_what_the_clean_up_does_not_find_is_not_the_cause(
    said: str, expected: ErrorClass, deleting: str
) -> None:
    text = (
        f"2026-11-21T11:00:00Z: ==> azure-arm.image: {said}\n==> azure-arm.image: {deleting}\n"
        '==> azure-arm.image: StatusCode=404 -- Original Error: Code="ResourceNotFound" Message="Not found."\n'
        f"Build 'azure-arm.image' errored after 1 s: {said}"
    )
    assert _classify(text, connected=False).error_class is expected


def test_words_of_packer_come_before_a_vague_code() -> None:
    text = "Build 'image' errored after 1 s: Conflict: StatusCode=429, try later"
    assert _classify(text, connected=False).error_class is ErrorClass.THROTTLED


@pytest.mark.parametrize(
    ("connected", "stage", "expected"),
    [
        (False, "build", ErrorClass.NETWORK),
        (True, "build", ErrorClass.PROVISIONER),
        (True, "verify", ErrorClass.SMOKE),
    ],
)
def test_a_run_out_of_time_is_judged_by_how_far_it_came(
    connected: bool, stage: str, expected: ErrorClass
) -> None:
    failed = _classify("", connected=connected, stage=stage, ended=RunEnd.TIMED_OUT)
    assert failed.error_class is expected
    assert "3600 s" in failed.message


def test_a_stop_is_an_eviction_whatever_was_printed() -> None:
    assert _classify(STEP, connected=True, ended=RunEnd.STOPPED).error_class is ErrorClass.EVICTION


def test_a_message_fits_the_report() -> None:
    failed = _classify("x" * 100_000, connected=False)
    assert len(failed.message) <= failures.MESSAGE_LIMIT


def _classify(
    text: str, *, connected: bool, stage: str = "build", ended: RunEnd = RunEnd.BY_ITSELF
) -> failures.PackerFailure:
    return failures.of_build(
        ended=ended, stage=stage, connected=connected, text=text, tail=text, seconds=3600
    )
