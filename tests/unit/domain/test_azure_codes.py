"""The table of Azure's codes: each row can be reached, none stands twice, and of nested codes the right one decides."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import azure_codes
from pipeline_core.domain.azure_code import AzureCode, Occasion
from pipeline_core.domain.azure_code_table import ROWS
from pipeline_core.domain.errors import ErrorClass, Owner

CALL, BUILD, VERIFY = Occasion
_SOURCE = re.compile(r"[\w.-]+/[\w.-]+(#\d+| [\w./-]+\.md)|learn\.microsoft\.com [\w/-]+")


def test_the_table_has_the_codes_of_the_documents() -> None:
    assert len({row.code for row in ROWS if row.source}) >= 120
    assert len({row.service for row in ROWS}) >= 8
    unconfirmed = {row.code for row in ROWS if not row.source}
    assert len(unconfirmed) <= 15, "find the document of a new code, or leave the code out"


def test_no_row_stands_twice() -> None:
    again = Counter((row.code.lower(), row.words, row.occasion) for row in ROWS)
    assert [key for key, times in again.items() if times > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code} {row.words} {row.occasion}")
def test_each_row_is_reached_by_its_code_its_words_and_its_occasion(row: AzureCode) -> None:
    code = row.code.replace("*", "Any")
    said = row.words[0].upper() if row.words else "a message"
    occasion = row.occasion or (BUILD if _is_taken(row, CALL) else CALL)
    assert azure_codes.find(code, said, occasion) is row
    assert azure_codes.find(code.upper(), said, occasion) is row
    assert azure_codes.is_known(code)
    assert not row.source or _SOURCE.fullmatch(row.source), row.source
    in_text = azure_codes.find_in_text(f'polling failed: Code="{code}" Message="{said}"', occasion)
    assert in_text is (None if row.error_class is None else row)


@pytest.mark.parametrize("row", [row for row in ROWS if row.words], ids=lambda row: row.code)
def test_without_its_words_a_row_does_not_hold(row: AzureCode) -> None:
    assert azure_codes.find(row.code, "a message", CALL) is not row


@pytest.mark.parametrize("occasion", Occasion)
def test_each_code_has_a_row_whatever_its_message_and_occasion(occasion: Occasion) -> None:
    assert [row.code for row in ROWS if azure_codes.find(row.code, "", occasion) is None] == []


@pytest.mark.parametrize("code", ["", "NobodyKnowsThis", "XAADSTS1", "AllocationFailedd", "Retryable"])
def test_what_the_table_does_not_know_is_nothing(code: str) -> None:
    assert azure_codes.find(code, "quota", CALL) is None
    assert not azure_codes.is_known(code)


@pytest.mark.parametrize(
    ("code", "said", "occasion", "wanted"),
    [
        ("OperationNotAllowed", "exceeding approved Total Regional Cores quota", CALL, ErrorClass.QUOTA),
        ("OperationNotAllowed", "too many requests have been received", CALL, ErrorClass.THROTTLED),
        ("OperationNotAllowed", "since another operation is in progress", BUILD, ErrorClass.CONFLICT),
        ("OperationNotAllowed", "since the VM is generalized", BUILD, ErrorClass.TEMPLATE),
        ("OSProvisioningTimedOut", "", CALL, ErrorClass.NETWORK),
        ("OSProvisioningTimedOut", "", BUILD, ErrorClass.NETWORK),
        ("OSProvisioningTimedOut", "", VERIFY, ErrorClass.SMOKE),
        ("OperationPreempted", "", CALL, ErrorClass.CONFLICT),
        ("OperationPreempted", "", VERIFY, ErrorClass.EVICTION),
        ("ResourceQuotaExceeded", "", CALL, ErrorClass.QUOTA),
        ("StorageQuotaExceededHere", "", CALL, ErrorClass.QUOTA),
        ("AADSTS700016", "", BUILD, ErrorClass.TOKEN),
        ("RetryableErrorDueToAnotherOperation", "", CALL, ErrorClass.CONFLICT),
        ("overconstrainedallocationrequest", "", CALL, ErrorClass.CAPACITY),
    ],
)
def test_words_occasion_and_patterns_choose_the_row(
    code: str, said: str, occasion: Occasion, wanted: ErrorClass
) -> None:
    row = azure_codes.find(code, said, occasion)
    assert row is not None
    assert row.error_class is wanted


# Each as it was seen: the form of autorest, of go-azure-sdk, of plugin 2.x, of ARM's body, and of azure-core.
NESTED = {
    "autorest, one inside": (
        'Code="DeploymentFailed" Message="At least one resource deployment operation failed."'
        ' Details=[{"code":"Conflict","message":"{\\"status\\":\\"Failed\\",\\"error\\":{\\"code\\":\\"'
        'ResourceDeploymentFailure\\",\\"message\\":\\"x\\",\\"details\\":[{\\"code\\":\\"VMStartTimedOut\\",'
        '\\"message\\":\\"VM did not start\\"}]}}"}]',
        "VMStartTimedOut",
    ),
    "go-azure-sdk, over lines": (
        "polling failed: the Azure API returned the following error:\n\n"
        'Status: "Failed"\nCode: "DeploymentFailed"\nMessage: "At least one resource failed."\nActivity Id: ""\n\n---\n'
        'API Response:\n{"status":"Failed","error":{"code":"DeploymentFailed","details":[{"code":"SkuNotAvailable"}]}}',
        "SkuNotAvailable",
    ),
    "go-azure-sdk, the words in the next line": (
        'Code: "OperationNotAllowed"\nMessage: "exceeding approved standardDSv5Family Cores quota"',
        "OperationNotAllowed",
    ),
    "go-azure-sdk, the code as status": (
        'following error: Status: "NetworkingInternalOperationError" Code: "" Message: "Unknown."',
        "NetworkingInternalOperationError",
    ),
    "go-azure-sdk, at the end of the line": (
        "unexpected status 429 with error: TooManyRequests",
        "TooManyRequests",
    ),
    "plugin 2.x": (
        "==> x: ERROR: -> DeploymentFailed : At least one resource deployment operation failed.\n"
        "==> x: ERROR:   -> BadRequest\n==> x: ERROR:     -> SubnetIsFull : Subnet build is full.",
        "SubnetIsFull",
    ),
    "terms, told by the vague inner code": (
        "==> x: ERROR: -> MarketplacePurchaseEligibilityFailed : See inner errors for details.\n"
        '==> x: ERROR:   -> BadRequest : Offer cannot be purchased.[{"Legal terms have not been accepted":"Api"}]',
        "BadRequest",
    ),
    "azure-core": (
        "(ImageVersionDeprecated) It is deprecated.\nCode: ImageVersionDeprecated",
        "ImageVersionDeprecated",
    ),
    "the innermost of two that tell": (
        'Code="RetryableError" Message="x" Details=[{"code":"ReferencedResourceNotProvisioned","message":"y"}]',
        "ReferencedResourceNotProvisioned",
    ),
    "the first of two siblings": (
        'Code="DeploymentFailed" Details=[{"code":"AllocationFailed"},{"code":"VMStartTimedOut"}]',
        "AllocationFailed",
    ),
    "the cause, not what followed in a later line": (
        'Code="AllocationFailed"\nError deleting: {"error":{"code":"ResourceNotFound","message":"gone"}}',
        "AllocationFailed",
    ),
    "a vague code alone": ('Code="Conflict" Message="try later"', "Conflict"),
    "a telling code after a vague one": (
        "Conflict: try later\nVMStartTimedOut: it did not start",
        "VMStartTimedOut",
    ),
    "a message that a container's event has": (
        "Failed to pull image: InaccessibleImage: The image 'acr.example.com/b' is not accessible.",
        "InaccessibleImage",
    ),
}


@pytest.mark.parametrize(("text", "wanted"), NESTED.values(), ids=NESTED.keys())
def test_of_nested_codes_the_one_that_tells_the_cause_decides(text: str, wanted: str) -> None:
    row = azure_codes.find_in_text(text, BUILD)
    assert row is not None
    assert row.code == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "something that nobody has seen",
        'Code="DeploymentFailed" Message="See inner errors."',
        "Code: SomethingElse Message: that nobody has seen",
        "Conflict is a word of English, and BadRequestHandlerOfOurs is no code",
        "xAllocationFailed AllocationFailedx",
    ],
)
def test_a_text_without_a_known_code_names_none(text: str) -> None:
    assert azure_codes.find_in_text(text, BUILD) is None


_TELLING = [
    row for row in ROWS if row.error_class and not row.is_vague and not row.words and "*" not in row.code
]
_WRAPPERS = [row.code for row in ROWS if row.error_class is None or row.is_vague]


@given(
    st.sampled_from(_TELLING),
    st.lists(st.sampled_from(_WRAPPERS), max_size=4),
    st.sampled_from(
        ['Code="{}" Message="m" Details=[{{{{', '{{"code":"{}","details":[', "{}: m: ", "-> {} : m\n"]
    ),
)
def test_no_wrapping_hides_the_code_inside(row: AzureCode, wrappers: list[str], form: str) -> None:
    outside = "".join(form.format(code) for code in wrappers)
    found = azure_codes.find_in_text(f'{outside}{{"code":"{row.code}","message":"m"}}', BUILD)
    assert found is azure_codes.find(row.code, "m", BUILD)


@given(st.text(max_size=300))
def test_no_text_breaks_the_search(text: str) -> None:
    azure_codes.find_in_text(text, CALL)


def test_terms_and_azures_policy_are_the_platforms_and_say_what_to_do() -> None:
    for error_class in (ErrorClass.TERMS, ErrorClass.AZURE_POLICY):
        assert not error_class.is_transient
        assert error_class.owner is Owner.PLATFORM
    assert "az vm image terms accept --urn" in azure_codes.remedy_of(ErrorClass.TERMS)
    assert "FACTORY_RESOURCE_TAGS" in azure_codes.remedy_of(ErrorClass.AZURE_POLICY)
    assert azure_codes.remedy_of(ErrorClass.TEMPLATE) == ""
    assert (ErrorClass.REGISTRY.is_transient, ErrorClass.REGISTRY.owner) == (True, Owner.PLATFORM)


def _is_taken(row: AzureCode, occasion: Occasion) -> bool:
    return any(
        other.code == row.code and other.occasion is occasion and other.words == row.words for other in ROWS
    )
