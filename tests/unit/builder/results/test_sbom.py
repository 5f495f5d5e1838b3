"""The SBOM: valid by CycloneDX's own schema, readable by its own library, and the same for the same input."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from packageurl import PackageURL

from builder.results import sbom
from pipeline_core.domain.errors import ErrorClass, PermanentError
from tests import schema_library
from tests.unit.builder import samples
from tests.unit.builder.conftest import Run

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RELEASE = {"name": "redhat-release", "version": "9.6", "release": "0.1.el9", "arch": "x86_64"}
OPENSSL = {
    "name": "openssl-libs",
    "epoch": 1,
    "version": "3.2.2",
    "release": "6.el9_5.1",
    "arch": "x86_64",
    "vendor": "Red Hat, Inc.",
    "license": "ASL 2.0",
    "source": "openssl-3.2.2-6.el9_5.1.src.rpm",
}
OWN = {"name": "payments+c++", "version": "1^git~1", "release": "1", "vendor": "Payments"}
MODULAR = {
    **OPENSSL,
    "name": "nodejs",
    "module": "nodejs:18:904:rhel9",
    "repository": "rhel-9-for-x86_64-appstream-rhui-rpms",
}
KEY = {"name": "gpg-pubkey", "version": "fd431d51", "release": "4ae0493b"}
ALL: list[dict[str, Any]] = [RELEASE, OPENSSL, OWN, KEY]
RED_HATS = "&upstream=openssl-3.2.2-6.el9_5.1.src.rpm"


def rendered(packages: list[dict[str, Any]], **changes: Any) -> bytes:
    return sbom.render(samples.verify_job(**changes), json.dumps(packages).encode(), AT)


def document(packages: list[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(rendered(packages))
    return made


@pytest.mark.parametrize("packages", [ALL, [KEY], [RELEASE], [{**OWN, "simulated": True}]])
def test_the_document_is_valid_by_the_schema_of_cyclonedx(packages: list[dict[str, Any]]) -> None:
    assert schema_library.cyclonedx_error(rendered(packages).decode()) is None


def test_the_schema_would_find_what_is_wrong() -> None:
    broken = {**document(ALL), "serialNumber": "none"}
    assert schema_library.cyclonedx_error(json.dumps(broken)) is not None


def test_the_library_of_cyclonedx_reads_the_same_packages() -> None:
    read = Bom.from_json(data=document(ALL))  # type: ignore[attr-defined]
    found = {component.name: component for component in read.components}
    assert set(found) == {"redhat-release", "openssl-libs", "payments+c++"}
    openssl = found["openssl-libs"]
    assert openssl.version == "1:3.2.2-6.el9_5.1"
    assert openssl.supplier.name == "Red Hat, Inc."
    assert [each.name for each in openssl.licenses] == ["ASL 2.0"]
    assert read.metadata.component.name == "payments-api"
    assert read.metadata.timestamp == AT


@pytest.mark.parametrize(
    ("package", "purl"),
    [
        (
            OPENSSL,
            "pkg:rpm/redhat/openssl-libs@3.2.2-6.el9_5.1"
            "?arch=x86_64&distro=rhel-9.6&epoch=1&upstream=openssl-3.2.2-6.el9_5.1.src.rpm",
        ),
        (OWN, "pkg:rpm/payments%2Bc%2B%2B@1%5Egit~1-1?distro=rhel-9.6"),
        (
            MODULAR,
            "pkg:rpm/redhat/nodejs@3.2.2-6.el9_5.1?arch=x86_64&distro=rhel-9.6&epoch=1"
            f"&repository_id=rhel-9-for-x86_64-appstream-rhui-rpms&rpmmod=nodejs:18:904:rhel9{RED_HATS}",
        ),
        ({**OWN, "vendor": "Red Hat, Inc. (not)"}, "pkg:rpm/payments%2Bc%2B%2B@1%5Egit~1-1?distro=rhel-9.6"),
    ],
    ids=["of the vendor", "of a team", "of a module", "of somebody like the vendor"],
)
def test_every_package_has_a_purl_that_advisories_find(package: dict[str, Any], purl: str) -> None:
    (component,) = [each for each in document([RELEASE, package])["components"] if each["purl"] == purl]
    assert component["bom-ref"] == purl
    read = PackageURL.from_string(purl)
    assert read.qualifiers.get("rpmmod", "") == package.get("module", "")
    assert (read.name, read.version) == (package["name"], f"{package['version']}-{package['release']}")


def test_the_release_of_rhel_is_left_out_where_it_is_not_known() -> None:
    assert "distro" not in document([OWN])["components"][0]["purl"]


def test_it_says_of_what_it_tells() -> None:
    made = document(ALL)
    assert made["metadata"]["component"] == {
        "type": "operating-system",
        "bom-ref": "payments-api@1.20261121.1",
        "name": "payments-api",
        "version": "1.20261121.1",
    }
    facts = {each["name"]: each["value"] for each in made["metadata"]["properties"]}
    assert facts == {"imagefactory:build": samples.CHILD_BUILD, "imagefactory:attempt": "1"}
    refs = [component["bom-ref"] for component in made["components"]]
    assert made["dependencies"] == [{"ref": "payments-api@1.20261121.1", "dependsOn": refs}]


def test_simulated_packages_make_a_simulated_document() -> None:
    facts = document([OWN, {**OPENSSL, "simulated": True}])["metadata"]["properties"]
    assert {"name": "imagefactory:simulated", "value": "true"} in facts


def test_the_same_packages_make_the_same_bytes() -> None:
    east = AT.astimezone(timezone(timedelta(hours=5)))
    first = rendered(ALL)
    again = sbom.render(samples.verify_job(), json.dumps([*reversed(ALL), OWN]).encode(), east)
    assert again == first


def test_another_attempt_has_another_number() -> None:
    numbers = {json.loads(rendered(ALL, attempt=attempt))["serialNumber"] for attempt in (1, 2)}
    assert len(numbers) == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"no json", b'[{"name": "bash"}]'])
def test_a_list_that_tells_nothing_ends_the_stage(content: bytes) -> None:
    with pytest.raises(PermanentError, match=r"payments-api: no SBOM can be made: packages\.json") as failed:
        sbom.render(samples.verify_job(), content, AT)
    assert failed.value.error_class is ErrorClass.TEMPLATE


@pytest.mark.process
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("echo '[]' > results/packages.json", "packages.json cannot be read"),
        ("echo 'no json' > results/packages.json", "packages.json cannot be read"),
        ("rm results/packages.json", "packages.json is missing or too large"),
        ("head -c 9000000 /dev/zero > results/packages.json", "packages.json is missing or too large"),
    ],
    ids=["empty", "no json", "missing", "huge"],
)
def test_a_verify_run_without_a_usable_list_of_packages_fails(run: Run, change: str, words: str) -> None:
    left = run(samples.verify_job(), f"{samples.GOOD_VERIFY}\n{change}")
    assert not left.report.succeeded
    assert left.report.error_class is ErrorClass.TEMPLATE
    assert words in left.report.message
    assert "sbom.cdx.json" not in {each.name for each in left.report.evidence}
