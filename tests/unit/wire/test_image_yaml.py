"""`image.yaml`: what becomes of a right one, and that every error of a wrong one is reported with place and remedy."""

import copy
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.definitions import (
    AnsibleStep,
    FileStep,
    Hardening,
    OsTraits,
    RebuildOn,
    ServedPort,
    ServedWhen,
    ShellStep,
    TargetRegion,
    Transport,
    Volume,
    Waiver,
    WaiverKind,
    Webhook,
)
from pipeline_core.domain.names import LIVE, ImageName, Region
from pipeline_core.domain.sources import MarketplaceSource, ParentReference
from pipeline_core.wire.bundle_paths import places_of_paths
from pipeline_core.wire.document.problems import PROBLEM_LIMIT
from pipeline_core.wire.document.text import read_yaml
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument, Problem
from tests import schema_library
from tests.unit.wire.documents import BUNDLE, FULL, HERE, MINIMAL, changed

CHECKOUT = Path(__file__).parents[3]


def problems_of(document: Any) -> tuple[Problem, ...]:
    with pytest.raises(InvalidDocument) as caught:
        image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE)
    return caught.value.problems


def test_every_key_reaches_the_definition() -> None:
    definition = image_yaml.parse_definition(read_yaml(FULL.encode()), bundle=BUNDLE, location=HERE)
    assert definition.name == ImageName("payments-rhel9")
    assert str(definition.team) == "payments"
    assert definition.owners == ("payments@example.com", "ops@example.com")
    assert definition.labels == (("cost-centre", "4711"), ("tier", "1"))
    assert definition.description == "The payments image."
    assert definition.major == 2
    assert definition.origin == ParentReference(image=ImageName("rhel9-base"), channel=LIVE)
    assert definition.os == OsTraits()
    assert definition.build.timeout == timedelta(hours=1)
    assert definition.build.os_disk_gb == 128
    assert definition.build.volumes == (Volume(mount="/opt", gb=20), Volume(mount="/var", share=50))
    assert definition.hardening == Hardening()
    assert definition.build.catalog == ("falcon-sensor",)
    assert definition.build.provisioners == (
        ShellStep(script="scripts/install.sh", env=(("JAVA_VERSION", "21"),)),
        AnsibleStep(playbook="playbook.yml"),
        FileStep(path="files/app.conf", destination="/etc/app.conf"),
    )
    assert definition.serves == (
        ServedPort(port=514, protocol=Transport.UDP),
        ServedPort(port=8443, when=ServedWhen.DEPLOYED),
    )
    assert definition.verify.goss == "goss.yaml"
    assert definition.verify.smoke == ("tests/smoke.sh",)
    assert definition.verify.compliance is not None
    assert definition.verify.compliance.min_score == 90
    assert definition.verify.compliance.tailoring == "files/tailoring.xml"
    assert definition.verify.compliance.waivers[0].expires == date(2027, 1, 31)
    assert definition.publish.regions == (
        TargetRegion(name=Region("westeurope"), replicas=2),
        TargetRegion(name=Region("northeurope")),
    )
    assert definition.publish.end_of_life == timedelta(days=90)
    assert definition.rebuild.on == frozenset({RebuildOn.PARENT})
    assert definition.rebuild.window == "Mon-Fri 06:00-20:00 Europe/Amsterdam"
    assert definition.rebuild.max_age == timedelta(days=30)
    assert definition.rebuild.suspend is True
    assert (definition.retention.keep, definition.retention.keep_in_use) == (7, False)
    assert definition.retention.max_age == timedelta(days=120)
    assert definition.notify == (
        Webhook(url="https://hooks.factory.corp/a?b=c", events=("build.failed", "image.published")),
    )
    assert definition.bundle == BUNDLE
    assert sorted({path for _, path in places_of_paths(definition)}) == [
        "files/app.conf",
        "files/tailoring.xml",
        "goss.yaml",
        "playbook.yml",
        "scripts/install.sh",
        "tests/smoke.sh",
    ]


def test_a_minimal_document_gets_safe_defaults() -> None:
    definition = image_yaml.parse_definition(MINIMAL, bundle=BUNDLE, location=HERE)
    assert definition.os == OsTraits()
    assert definition.major == 1
    assert definition.rebuild.on == frozenset({RebuildOn.PARENT, RebuildOn.DEFINITION})
    assert definition.publish.regions == (TargetRegion(name=HERE),)
    assert definition.retention.keep == 5
    assert [*places_of_paths(definition)] == []


def test_a_marketplace_source_is_looked_up_in_the_factorys_region() -> None:
    document = copy.deepcopy(MINIMAL)
    document["spec"]["marketplace"] = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}
    del document["spec"]["parent"]
    definition = image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE)
    assert definition.origin == MarketplaceSource(
        publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=HERE
    )


STEP = "spec.build.provisioners"
SCAN = "spec.verify.compliance"
WRONG: dict[str, tuple[str, object, str, str]] = {
    "unknown api": ("apiVersion", "imagefactory/v2", "apiVersion", "imagefactory/v1"),
    "unknown key with a near one": ("metadata.lables", {}, "metadata.lables", "did you mean 'labels'?"),
    "snake case": ("spec.build.vm_size", "Standard_B1s", "spec.build.vm_size", "did you mean 'vmSize'?"),
    "unknown key without a near one": ("spec.colour", "red", "spec.colour", "retention"),
    "upper case name": ("metadata.name", "Payments", "metadata.name", "lower-case"),
    "name with a tag": ("spec.parent.image", "rhel9-base:latest", "spec.parent.image", "lower-case"),
    "no owner": ("metadata.owners", [], "metadata.owners", "at least one"),
    "owner without address": ("metadata.owners", ["payments"], "metadata.owners[0]", "address"),
    "number as label": ("metadata.labels", {"tier": 1}, "metadata.labels.tier", "quotes"),
    "empty mapping": ("spec.os", None, "spec.os", "mapping"),
    "list instead of mapping": ("spec.build", [], "spec.build", "mapping"),
    "unknown generation": ("spec.os.generation", "V3", "spec.os.generation", "'V1' or 'V2'"),
    "trusted launch on V1": ("spec.os", {"generation": "V1"}, "spec.os.securityType", "V2"),
    "large disk": ("spec.build.osDiskSizeGb", 4096, "spec.build.osDiskSizeGb", "4095"),
    "no disk": ("spec.build.osDiskSizeGb", 0, "spec.build.osDiskSizeGb", "1"),
    "disk as text": ("spec.build.osDiskSizeGb", "128", "spec.build.osDiskSizeGb", "number"),
    "port zero": ("spec.serves", [{"port": 0}], "spec.serves[0].port", "1"),
    "port beyond the last": ("spec.serves", [{"port": 65536}], "spec.serves[0].port", "65535"),
    "port as text": ("spec.serves", [{"port": "8443"}], "spec.serves[0].port", "number"),
    "no port": ("spec.serves", [{"protocol": "tcp"}], "spec.serves[0].port", "add it"),
    "unknown protocol": ("spec.serves", [{"port": 1, "protocol": "sctp"}], "spec.serves[0].protocol", "'tcp' or 'udp'"),
    "unknown time": ("spec.serves", [{"port": 1, "when": "later"}], "spec.serves[0].when", "'boot' or 'deployed'"),
    "port twice": ("spec.serves", [{"port": 1}, {"port": 1, "protocol": "tcp"}], "spec.serves[1]", "keep one"),
    "port of SSH": ("spec.serves", [{"port": 22}], "spec.serves[0]", "SSH"),
    "many ports": ("spec.serves", [{"port": 1000 + each} for each in range(51)], "spec.serves", "50"),
    "short timeout": ("spec.build.timeout", "4m", "spec.build.timeout", "5m to 8h"),
    "long timeout": ("spec.build.timeout", "481m", "spec.build.timeout", "5m to 8h"),
    "timeout as number": ("spec.build.timeout", 60, "spec.build.timeout", "quotes"),
    "timeout in words": ("spec.build.timeout", "1 hour", "spec.build.timeout", "60m"),
    "no VM size": ("spec.build.vmSize", "D2s", "spec.build.vmSize", "Standard_D2s_v5"),
    "pinned tool": ("spec.build.catalog", ["falcon@latest"], "spec.build.catalog[0]", "without a version"),
    "tool twice": ("spec.build.catalog", ["a", "a"], "spec.build.catalog[1]", "keep one"),
    "absolute script": (STEP, [{"shell": "/bin/x"}], f"{STEP}[0].shell", "of this folder"),
    "drive letter": (STEP, [{"shell": "C:/x"}], f"{STEP}[0].shell", "of this folder"),
    "path out of the folder": (STEP, [{"ansible": "a/../../x"}], f"{STEP}[0].ansible", "of this folder"),
    "back slash": (STEP, [{"shell": "a\\b"}], f"{STEP}[0].shell", "of this folder"),
    "two kinds": (STEP, [{"shell": "a", "ansible": "b"}], f"{STEP}[0]", "one step for each"),
    "no kind": (STEP, [{"env": {}}], f"{STEP}[0]", "shell"),
    "env for ansible": (STEP, [{"ansible": "a", "env": {"A": "b"}}], f"{STEP}[0].env", "shell"),
    "bad variable": (STEP, [{"shell": "a", "env": {"A-B": "c"}}], f"{STEP}[0].env['A-B']", "variable"),
    "zero byte": (STEP, [{"shell": "a", "env": {"A": "\0"}}], f"{STEP}[0].env.A", "remove"),
    "file without destination": (STEP, [{"file": "a"}], f"{STEP}[0].destination", "/etc/app.conf"),
    "relative destination": (STEP, [{"file": "a", "destination": "b"}], f"{STEP}[0].destination", "absolute"),
    "destination with ..": (
        STEP,
        [{"file": "a", "destination": "/a/../b"}],
        f"{STEP}[0].destination",
        "absolute",
    ),
    "destination for shell": (STEP, [{"shell": "a", "destination": "/b"}], f"{STEP}[0].destination", "file"),
    "score over 100": (SCAN, {"profile": "p", "minScore": 101}, f"{SCAN}.minScore", "100"),
    "boolean score": (SCAN, {"profile": "p", "minScore": True}, f"{SCAN}.minScore", "whole"),
    "marketplace version latest": (
        "spec.marketplace.version",
        "latest",
        "spec.marketplace.version",
        "follows the newest",
    ),
    "parent version": ("spec.parent.version", "1.*", "spec.parent.version", "channel"),
    "region twice": (
        "spec.publish.regions",
        [{"name": "westeurope"}, {"name": "westeurope"}],
        "spec.publish.regions[1].name",
        "keep one",
    ),
    "no replica": (
        "spec.publish.regions",
        [{"name": "westeurope", "replicas": 0}],
        "spec.publish.regions[0].replicas",
        "1",
    ),
    "window without zone": ("spec.rebuild.window", "Mon-Fri 06:00-20:00", "spec.rebuild.window", "time zone"),
    "unknown zone": ("spec.rebuild.window", "Mon 06:00-20:00 Europe/Atlantis", "spec.rebuild.window", "zone"),
    "long period": ("spec.rebuild.maxAge", "366d", "spec.rebuild.maxAge", "1d to 365d"),
    "unknown trigger": ("spec.rebuild.on", ["moon"], "spec.rebuild.on[0]", "'parent', 'definition' or 'verify'"),
    "word as boolean": ("spec.rebuild.suspend", "no", "spec.rebuild.suspend", "without quotes"),
    "keep nothing": ("spec.retention.keep", 0, "spec.retention.keep", "1"),
    "http webhook": (
        "spec.notify",
        [{"webhook": "http://a.example.com", "events": ["build.failed"]}],
        "spec.notify[0].webhook",
        "https",
    ),
    "unknown event": (
        "spec.notify",
        [{"webhook": "https://a.example.com", "events": ["build.exploded"]}],
        "spec.notify[0].events[0]",
        "build.failed",
    ),
    "half a character": ("metadata.description", "\ud800", "metadata.description", "UTF-8"),
    "escape sequence": ("metadata.description", "\x1b[2J", "metadata.description", "remove"),
    "version zero": ("spec.version", {"major": 0}, "spec.version.major", "1"),
}  # fmt: skip


OTHER_WAIVERS: dict[str, tuple[list[object], str, str]] = {
    "of no kind": ([{"reason": "r"}], "", "neither hygiene nor invariant"),
    "of both kinds": ([{"hygiene": "r", "path": "/a", "invariant": "n", "reason": "r"}], "", "both hygiene"),
    "a digest that is cut": (
        [{"hygiene": "r", "path": "/a@sha256:abc", "reason": "r"}],
        ".path",
        "ends in a broken digest",
    ),
    "a digest in capitals": (
        [{"hygiene": "r", "path": f"/a@sha256:{'A' * 64}", "reason": "r"}],
        ".path",
        "ends in a broken digest",
    ),
    "a finding without its path": ([{"hygiene": "r", "reason": "r"}], ".path", "is missing"),
    "a test with a path": ([{"invariant": "n", "path": "/a", "reason": "r"}], ".path", "alone"),
    "without a reason": ([{"invariant": "n"}], ".reason", "is missing"),
    "twice": ([{"invariant": "n", "reason": "r"}, {"invariant": "n", "reason": "s"}], "", "again"),
}


@pytest.mark.parametrize("case", OTHER_WAIVERS)
def test_a_waiver_of_a_finding_or_a_test_names_which_one(case: str) -> None:
    waivers, key, words = OTHER_WAIVERS[case]
    (problem,) = problems_of(changed("spec.verify.waivers", waivers))
    assert problem.path == f"spec.verify.waivers[{len(waivers) - 1}]{key}"
    assert words in problem.message


def test_waivers_are_asked_for_without_an_owner_and_a_day() -> None:
    scan = {"profile": "cis", "minScore": 90, "waivers": [{"rule": "a", "reason": "r"}]}
    others = [
        {"hygiene": "private-key", "path": "/opt/key", "reason": "r"},
        {"invariant": "n", "reason": "r"},
    ]
    document = changed("spec.verify", {"compliance": scan, "waivers": others})
    verify = image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE).verify
    assert verify.compliance is not None
    assert verify.compliance.waivers == (Waiver(rule="a", reason="r"),)
    assert [(each.kind, each.rule, each.path) for each in verify.waivers] == [
        (WaiverKind.HYGIENE, "private-key", "/opt/key"),
        (WaiverKind.INVARIANT, "n", ""),
    ]


@pytest.mark.parametrize(("where", "value", "path", "words"), WRONG.values(), ids=WRONG.keys())
def test_an_error_is_reported_with_its_place_and_its_remedy(
    where: str, value: object, path: str, words: str
) -> None:
    found = {problem.path: problem for problem in problems_of(changed(where, value))}
    assert path in found, sorted(found)
    assert words in f"{found[path].message}; {found[path].remedy}"


def test_all_errors_come_at_once_also_those_over_two_keys() -> None:
    document = changed("metadata.name", "Wrong")
    document["metadata"]["tema"] = "payments"
    document["spec"]["marketplace"] = {"publisher": "RedHat", "offer": "RHEL", "sku": "*"}
    document["spec"]["build"]["provisioners"] = [{"shell": "../a", "file": "b"}]
    document["spec"]["publish"] = {"regions": [{"name": "x"}, {"name": "x"}]}
    del document["kind"]
    assert {problem.path for problem in problems_of(document)} == {
        "kind",
        "metadata.name",
        "metadata.tema",
        "spec",
        "spec.build.provisioners[0]",
        "spec.build.provisioners[0].destination",
        "spec.build.provisioners[0].shell",
        "spec.marketplace.sku",
        "spec.publish.regions[0].name",
        "spec.publish.regions[1].name",
    }


def test_the_same_port_may_be_served_by_both_protocols_in_any_order() -> None:
    ports = [{"port": 53, "protocol": "udp"}, {"port": 53}]
    both = [
        image_yaml.parse_definition(changed("spec.serves", each), bundle=BUNDLE, location=HERE).serves
        for each in (ports, ports[::-1])
    ]
    assert [str(each) for each in both[0]] == ["53/tcp", "53/udp"]
    assert both[0] == both[1]


def test_a_definition_that_serves_nothing_is_the_default() -> None:
    assert image_yaml.parse_definition(MINIMAL, bundle=BUNDLE, location=HERE).serves == ()


def test_neither_parent_nor_marketplace_is_refused() -> None:
    document = copy.deepcopy(MINIMAL)
    del document["spec"]["parent"]
    assert [problem.path for problem in problems_of(document)] == ["spec"]


def test_an_empty_document_tells_what_is_missing() -> None:
    assert [problem.path for problem in problems_of({})] == ["apiVersion", "kind", "metadata", "spec"]


def test_a_password_in_a_webhook_is_not_repeated() -> None:
    hook = {"webhook": "http://user:hunter2@a.example.com", "events": ["build.failed"]}
    (problem,) = problems_of(changed("spec.notify", [hook]))
    assert "hunter2" not in str(problem)


def test_a_flood_of_errors_is_cut() -> None:
    document = changed("metadata.labels", {f"bad key {number}": "x" for number in range(5000)})
    found = problems_of(document)
    assert len(found) <= PROBLEM_LIMIT + 1
    flood = changed("spec.build.catalog", ["a"] * 5000)
    assert len(problems_of(flood)) <= 2 * PROBLEM_LIMIT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    place=st.sampled_from(
        [
            "metadata",
            "spec",
            "spec.build",
            "spec.build.provisioners",
            "spec.serves",
            "spec.verify",
            "spec.notify",
        ]
    ),
    value=JSON,
)
def test_whatever_stands_in_a_document_it_is_parsed_or_refused_in_words(place: str, value: object) -> None:
    found: tuple[Problem, ...] = ()
    try:
        image_yaml.parse_definition(changed(place, value), bundle=BUNDLE, location=HERE)
    except InvalidDocument as error:
        found = error.problems
    assert all(problem.path and problem.message and problem.remedy for problem in found)


def test_a_definition_survives_its_blob_and_key_order_does_not_matter() -> None:
    document = read_yaml(FULL.encode())
    blob = image_yaml.definition_blob(document, BUNDLE)
    again = dict(reversed(list(document.items())))
    assert image_yaml.definition_blob(again, BUNDLE) == blob
    parsed = image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE)
    assert image_yaml.read_definition_blob(blob, HERE) == parsed
    assert json.loads(blob)["bundle"] == str(BUNDLE)
    assert image_yaml.digest_of(blob) != image_yaml.digest_of(image_yaml.definition_blob(MINIMAL, BUNDLE))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"bundle":"x","document":{}}', b"\xff"])
def test_a_blob_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDocument):
        image_yaml.read_definition_blob(content, HERE)


def test_the_json_schema_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    golden("image_schema.json", json.dumps(image_yaml.json_schema(), indent=2) + "\n")


def test_the_json_schema_takes_what_the_parser_takes() -> None:
    schema = image_yaml.json_schema()
    schema_library.json_schema().Draft202012Validator.check_schema(schema)
    schema_library.json_schema().validate(read_yaml(FULL.encode()), schema)
    schema_library.json_schema().validate(MINIMAL, schema)
    with pytest.raises(schema_library.json_schema().ValidationError):
        schema_library.json_schema().validate(changed(STEP, [{"shell": "a", "ansible": "b"}]), schema)


@pytest.mark.parametrize(
    "folder", sorted(path.parent.name for path in (CHECKOUT / "images").glob("*/image.yaml"))
)
def test_our_own_images_are_valid(folder: str) -> None:
    text = (CHECKOUT / "images" / folder / "image.yaml").read_bytes()
    definition = image_yaml.parse_definition(read_yaml(text), bundle=BUNDLE, location=HERE)
    assert str(definition.name) == folder
