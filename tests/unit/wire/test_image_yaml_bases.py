"""`spec.hardening` and `spec.build.volumes`: what they become, and what is refused with its place and its remedy."""

import copy
from typing import Any

import pytest

from pipeline_core.domain.definitions import ComplianceTarget, Hardening
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument, Problem
from tests.unit.wire.documents import BUNDLE, HERE, MINIMAL, changed

VOLUMES = "spec.build.volumes"
WRONG: dict[str, tuple[str, object, str, str]] = {
    "a volume of no size": (VOLUMES, [{"mount": "/opt"}], f"{VOLUMES}[0]", "neither sizeGb nor share"),
    "a volume of two sizes": (
        VOLUMES,
        [{"mount": "/opt", "sizeGb": 1, "share": 1}],
        f"{VOLUMES}[0]",
        "both sizeGb and share",
    ),
    "no such volume": (VOLUMES, [{"mount": "/srv", "sizeGb": 1}], f"{VOLUMES}[0].mount", "'/opt'"),
    "a volume twice": (
        VOLUMES,
        [{"mount": "/opt", "sizeGb": 1}, {"mount": "/opt", "share": 1}],
        f"{VOLUMES}[1].mount",
        "keep one",
    ),
    "no share": (VOLUMES, [{"mount": "/opt", "share": 0}], f"{VOLUMES}[0].share", "1"),
    "shares of more than everything": (
        VOLUMES,
        [{"mount": "/opt", "share": 60}, {"mount": "/var", "share": 41}],
        VOLUMES,
        "100 percent",
    ),
    "volumes larger than the disk": (
        "spec.build",
        {"osDiskSizeGb": 64, "volumes": [{"mount": "/opt", "sizeGb": 40}, {"mount": "/", "sizeGb": 25}]},
        VOLUMES,
        "need 65 GB",
    ),
    "hardening of a child": ("spec.hardening", {"fips": True}, "spec.hardening", "a child is hardened as"),
    "a word for FIPS": ("spec.hardening", {"fips": "yes"}, "spec.hardening.fips", "without quotes"),
}


def problems_of(document: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidDocument) as caught:
        image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE)
    return caught.value.problems


@pytest.mark.parametrize(("where", "value", "path", "words"), WRONG.values(), ids=WRONG.keys())
def test_an_error_is_reported_with_its_place_and_its_remedy(
    where: str, value: object, path: str, words: str
) -> None:
    found = {problem.path: problem for problem in problems_of(changed(where, value))}
    assert words in f"{found[path].message}; {found[path].remedy}"


def base(**keys: object) -> dict[str, Any]:
    """A document of a base, with these keys of `spec`."""
    document = copy.deepcopy(MINIMAL)
    document["spec"] |= {"marketplace": {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}, **keys}
    del document["spec"]["parent"]
    return document


SCANNED: dict[str, tuple[object, object, Hardening, ComplianceTarget | None]] = {
    "nothing": (None, None, Hardening(), None),
    "FIPS alone": ({"fips": True}, None, Hardening(fips=True), None),
    "a profile is scanned too": (
        {"profile": "stig"},
        None,
        Hardening(profile="stig"),
        ComplianceTarget(profile="stig", min_score=0),
    ),
    "the score is the scan's own": (
        {"profile": "stig", "fips": True},
        {"profile": "xccdf_org.ssgproject.content_profile_stig", "minScore": 70},
        Hardening(profile="stig", fips=True),
        ComplianceTarget(profile="xccdf_org.ssgproject.content_profile_stig", min_score=70),
    ),
}


@pytest.mark.parametrize("case", SCANNED)
def test_a_base_is_scanned_by_the_profile_that_hardens_it(case: str) -> None:
    hardening, compliance, expected, scan = SCANNED[case]
    given = {"hardening": hardening} if hardening is not None else {}
    document = base(**given, verify={} if compliance is None else {"compliance": compliance})
    definition = image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE)
    assert definition.hardening == expected
    assert definition.verify.compliance == scan


def test_a_base_cannot_be_scanned_by_another_profile_than_its_own() -> None:
    scan = {"profile": "cis_server_l1", "minScore": 90}
    (problem,) = problems_of(base(hardening={"profile": "stig"}, verify={"compliance": scan}))
    assert problem.path == "spec.verify.compliance.profile"
    assert "spec.hardening.profile is 'stig'" in problem.message
