"""The table of ADR 0019: definition, build machine, way of capture, verify machine, for each security type."""

import pytest

from pipeline_core.domain import captures
from pipeline_core.domain.captures import Capture
from pipeline_core.domain.definitions import Architecture, Generation, OsTraits, SecurityType
from pipeline_core.domain.sources import PurchasePlan

STANDARD = SecurityType.STANDARD
TRUSTED = SecurityType.TRUSTED_LAUNCH
SUPPORTED = SecurityType.TRUSTED_LAUNCH_SUPPORTED
PLAN = PurchasePlan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")
OTHER = PurchasePlan(publisher="redhat", name="rhel-lvm10-gen2", product="rhel-byos")


def traits(security: SecurityType) -> OsTraits:
    return OsTraits(security_type=security)


@pytest.mark.parametrize(
    ("wanted", "setting", "definition", "built_on", "capture", "verified_on"),
    [
        (STANDARD, Capture.MANAGED_IMAGE, STANDARD, STANDARD, Capture.MACHINE, STANDARD),
        (STANDARD, Capture.MACHINE, STANDARD, STANDARD, Capture.MACHINE, STANDARD),
        (SUPPORTED, Capture.MANAGED_IMAGE, SUPPORTED, STANDARD, Capture.MANAGED_IMAGE, TRUSTED),
        (SUPPORTED, Capture.MACHINE, SUPPORTED, STANDARD, Capture.MANAGED_IMAGE, TRUSTED),
        (TRUSTED, Capture.MANAGED_IMAGE, SUPPORTED, STANDARD, Capture.MANAGED_IMAGE, TRUSTED),
        (TRUSTED, Capture.MACHINE, TRUSTED, TRUSTED, Capture.MACHINE, TRUSTED),
    ],
)
def test_the_way_of_each_security_type(
    wanted: SecurityType,
    setting: Capture,
    definition: SecurityType,
    built_on: SecurityType,
    capture: Capture,
    verified_on: SecurityType,
) -> None:
    new = captures.new_definition(traits(wanted), setting)
    assert new == traits(definition)
    assert captures.build_machine(new.security_type) is built_on
    assert captures.capture_into(new.security_type) is capture
    assert captures.verify_machine(wanted) is verified_on
    assert captures.misfit(traits(wanted), new) is None


@pytest.mark.parametrize("setting", Capture)
@pytest.mark.parametrize("wanted", SecurityType)
def test_a_trusted_launch_machine_is_never_captured_by_a_managed_image(
    wanted: SecurityType, setting: Capture
) -> None:
    """Azure refuses this in any case (hashicorp/packer#13189)."""
    definition = captures.new_definition(traits(wanted), setting).security_type
    if captures.build_machine(definition) is TRUSTED:
        assert captures.capture_into(definition) is Capture.MACHINE


@pytest.mark.parametrize(
    ("wanted", "found", "remedy"),
    [
        (STANDARD, SUPPORTED, "keep TrustedLaunchSupported"),
        (STANDARD, TRUSTED, "keep TrustedLaunch"),
        (SUPPORTED, TRUSTED, "keep TrustedLaunch"),
        (SUPPORTED, STANDARD, "let TrustedLaunchSupported begin with the next version"),
        (TRUSTED, STANDARD, "let TrustedLaunchSupported begin with the next version"),
    ],
)
def test_another_security_type_does_not_fit_and_the_remedy_is_named(
    wanted: SecurityType, found: SecurityType, remedy: str
) -> None:
    problem = captures.misfit(traits(wanted), traits(found))
    assert problem is not None
    assert found.value in problem.reason
    assert wanted.value in problem.reason
    assert remedy in problem.remedy
    assert captures.PROCEDURE in str(problem)


def test_an_older_definition_keeps_its_way_whatever_the_setting_says() -> None:
    assert captures.misfit(traits(TRUSTED), traits(SUPPORTED)) is None
    assert captures.misfit(traits(TRUSTED), traits(TRUSTED)) is None


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (OsTraits(generation=Generation.V1), "generation is V1, the image wants V2"),
        (OsTraits(architecture=Architecture.ARM64), "architecture is Arm64, the image wants x64"),
    ],
)
def test_generation_and_architecture_never_change(found: OsTraits, what: str) -> None:
    problem = captures.misfit(OsTraits(), found)
    assert problem is not None
    assert what in problem.reason
    assert problem.remedy == "register the image under a new name"


def test_versions_are_copied_between_like_definitions_only() -> None:
    for first in SecurityType:
        for second in SecurityType:
            problem = captures.unlike(traits(first), traits(second))
            assert (problem is None) is (first is second)
            if problem is not None:
                assert first.value in problem.reason
                assert second.value in problem.reason


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (
            "OperationNotAllowed : Creation of managed images are not supported for virtual machine with "
            "TrustedLaunch security type.",
            "TrustedLaunchByDefaultPreview",
        ),
        (
            "InvalidParameter: The security type 'TrustedLaunchSupported' is not supported for the source id '/x'",
            f"{captures.SETTING}=managed-image",
        ),
        (
            "Conflict: The source '/x' contains TrustedLaunch or ConfidentialVM\nsecurity data that cannot be used",
            f"{captures.SETTING}=managed-image",
        ),
        (
            "The provided gallery image only supports creation of VMs and VM Scale Sets with 'TrustedLaunch' "
            "security type.",
            "securityType TrustedLaunch",
        ),
    ],
)
def test_azures_refusals_of_a_security_type_name_what_to_do(text: str, remedy: str) -> None:
    assert remedy in captures.remedy_of(f"==> azure-arm.image: ERROR: -> {text}")
    assert captures.SETTING in captures.remedy_of(text)


def test_other_refusals_say_nothing_about_security_types() -> None:
    assert captures.remedy_of("InvalidParameter: The value of parameter imageReference.sku is invalid.") == ""


def test_a_copy_that_no_document_promises_names_the_setting_whatever_azure_says() -> None:
    assert captures.SETTING in captures.remedy_of_copy(TRUSTED, "Conflict: something new")
    assert captures.remedy_of_copy(SUPPORTED, "Conflict: something new") == ""
    assert captures.remedy_of_copy(SUPPORTED, "contains TrustedLaunch or ConfidentialVM security data")


def test_what_the_first_build_fixes_is_named_with_the_way_to_change_it() -> None:
    fixed = {each.name: each for each in captures.fixed_traits(OsTraits())}
    assert {name: each.value for name, each in fixed.items()} == {
        "generation": "V2",
        "architecture": "x64",
        "securityType": "TrustedLaunch",
    }
    assert "new name" in fixed["generation"].change
    assert captures.PROCEDURE in fixed["securityType"].change


@pytest.mark.parametrize(
    ("os", "words"),
    [
        (OsTraits(security_type=SecurityType.STANDARD), "ask SecOps to change the image definitions first"),
        (OsTraits(security_type=SecurityType.TRUSTED_LAUNCH), "set TrustedLaunchSupported, if"),
        (OsTraits(security_type=SecurityType.TRUSTED_LAUNCH_SUPPORTED), "set TrustedLaunch; Standard"),
        (
            OsTraits(generation=Generation.V1, security_type=SecurityType.STANDARD),
            "never: register the image under a new name",
        ),
    ],
)
def test_the_way_to_another_security_type_depends_on_the_first(os: OsTraits, words: str) -> None:
    (found,) = (each for each in captures.fixed_traits(os) if each.name == "securityType")
    assert found.change.startswith(words)


@pytest.mark.parametrize(
    ("kept", "sold", "words"),
    [
        (None, PLAN, "was made without a plan"),
        (PLAN, None, "is sold without a plan"),
        (PLAN, OTHER, "never changes that: register the image under a new name"),
    ],
)
def test_an_image_definition_of_another_plan_does_not_fit(
    kept: PurchasePlan | None, sold: PurchasePlan | None, words: str
) -> None:
    problem = captures.other_plan(OsTraits(plan=sold), OsTraits(plan=kept))
    assert words in str(problem)


@pytest.mark.parametrize("plan", [None, PLAN])
def test_the_same_plan_fits_whatever_the_security_type(plan: PurchasePlan | None) -> None:
    found = OsTraits(security_type=SecurityType.STANDARD, plan=plan)
    assert captures.other_plan(OsTraits(plan=plan), found) is None
