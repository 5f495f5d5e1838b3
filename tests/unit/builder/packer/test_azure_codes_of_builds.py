"""Codes of failed deployments and publications in Packer's output, as public reports have them: class and blame."""

import pytest

from builder.packer import failures
from builder.packer.command import RunEnd
from pipeline_core.domain.errors import ErrorClass

CODES = [
    (
        "SubnetIsFull",
        "Subnet build with address prefix 10.20.0.0/28 does not have enough capacity for 1 IP addresses.",
        ErrorClass.QUOTA,
    ),
    (
        "PublicIPCountLimitReached",
        "Cannot create more than 20 public IP addresses for this subscription in this region.",
        ErrorClass.QUOTA,
    ),
    (
        "VMStartTimedOut",
        "VM 'ifab12vm' did not start in the allotted time. The VM may still start successfully.",
        ErrorClass.NETWORK,
    ),
    (
        "OSProvisioningTimedOut",
        "OS Provisioning for VM 'ifab12vm' did not finish in the allotted time.",
        ErrorClass.NETWORK,
    ),
    (
        "OSProvisioningInternalError",
        "OS Provisioning failed for VM 'ifab12vm' due to an internal error.",
        ErrorClass.NETWORK,
    ),
    (
        "NetworkingInternalOperationError",
        "An error occurred while processing the operation.",
        ErrorClass.NETWORK,
    ),
    (
        "InternalExecutionError",
        "An internal execution error occurred. Please retry later.",
        ErrorClass.NETWORK,
    ),
    (
        "InternalDiskManagementError",
        "Internal error occurred while managing the disk.",
        ErrorClass.NETWORK,
    ),
    ("RetryableError", "A retryable error occurred.", ErrorClass.CONFLICT),
    (
        "GatewayTimeout",
        "The gateway did not receive a response within the specified time period.",
        ErrorClass.NETWORK,
    ),
    (
        "ImageVersionDeprecated",
        "VM Image from publisher: RedHat with - Offer: RHEL, Sku: 9-lvm-gen2, Version: 9.4.2024081415 is deprecated.",
        ErrorClass.NOT_FOUND,
    ),
    (
        # Its terms are a class of their own: whoever reads `permission` looks for a missing role.
        "ResourcePurchaseValidationFailed",
        "User failed validation to purchase resources. Legal terms have not been accepted for this item.",
        ErrorClass.TERMS,
    ),
    (
        "GalleryReplicationJobsFailed",
        "Gallery replication jobs failed in one or more regions: '{region:westeurope, detail:Failed with internal"
        " server error.}'",
        ErrorClass.CAPACITY,
    ),
]
_AFTER_STEPS = (
    "    azure-arm.image: imagefactory: step 9 of 9: platform: platform/after/90-seal.sh\n"
    "==> azure-arm.image: Powering off machine ...\n"
)


@pytest.mark.parametrize(("code", "said", "wanted"), CODES, ids=[code for code, *_ in CODES])
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("before", ["", _AFTER_STEPS], ids=["first", "after the steps"])
def test_a_code_of_azure_has_its_class(
    code: str, said: str, wanted: ErrorClass, connected: bool, before: str
) -> None:
    assert _of(code, said, connected=connected, before=before).error_class is wanted


def test_a_version_that_does_not_boot_has_failed_its_own_test() -> None:
    code, said, _ = CODES[3]
    assert _of(code, said, connected=False, stage="verify").error_class is ErrorClass.SMOKE


def _of(
    code: str, said: str, *, connected: bool, stage: str = "build", before: str = ""
) -> failures.PackerFailure:
    text = (
        f"{before}Build 'azure-arm.image' errored after 6 minutes: polling failed: the Azure API returned the"
        f" following error: Code: {code} Message: {said}"
    )
    return failures.of_build(
        ended=RunEnd.BY_ITSELF, stage=stage, connected=connected, text=text, tail=text, seconds=3600
    )
