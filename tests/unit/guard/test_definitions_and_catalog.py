"""The guard over definitions against their bundle, and over the catalog."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline_core import guard
from pipeline_core.domain.definitions import FileStep
from pipeline_core.guard import bundles, catalog, steps
from pipeline_core.wire.bundle_paths import places_of_paths
from pipeline_core.wire.document.text import read_yaml
from pipeline_core.wire.image_yaml import read as image_yaml
from tests import schema_library
from tests.unit.guard.archives import FORMS
from tests.unit.wire.documents import BUNDLE, FULL, HERE

CHECKOUT = Path(__file__).parents[3]
ENTRY = {
    "id": "goss",
    "version": "0.4.9",
    "url": "https://github.com/goss-org/goss/releases/download/v0.4.9/goss-linux-amd64",
    "sha256": "87dd36cfa1b8b50554e6e2ca29168272e26755b19ba5438341f7c66b36decc19",
}


def catalog_with(**changes: object) -> dict[str, Any]:
    return {"hosts": ["github.com"], "entries": [{**copy.deepcopy(ENTRY), **changes}]}


def test_a_file_that_is_not_in_the_bundle_is_reported_with_the_place_that_names_it() -> None:
    definition = image_yaml.parse_definition(read_yaml(FULL.encode()), bundle=BUNDLE, location=HERE)
    found = guard.check_definition(definition, {"scripts/install.sh", "Playbook.yml", "goss.yaml"}, FORMS)
    assert [(finding.rule, finding.place) for finding in found] == [
        ("path-in-bundle", "spec.build.provisioners[1].ansible"),
        ("path-in-bundle", "spec.build.provisioners[2].file"),
        ("path-in-bundle", "spec.verify.smoke[0]"),
        ("path-in-bundle", "spec.verify.compliance.tailoring"),
    ]
    assert "'Playbook.yml'" in found[0].remedy
    assert guard.check_definition(definition, {path for _, path in places_of_paths(definition)}, FORMS) == ()


def test_a_finding_becomes_a_problem_that_keeps_its_rule() -> None:
    (finding,) = bundles.check_bundle(b"", FORMS)
    problem = finding.as_problem()
    assert (problem.path, problem.message, problem.remedy, problem.rule) == (
        finding.place,
        finding.message,
        finding.remedy,
        "bundle-form",
    )


def test_a_right_catalog_is_read_by_id() -> None:
    other = {**ENTRY, "id": "aide"}
    document = {"$schema": "x", "hosts": ["github.com"], "entries": [ENTRY, other]}
    assert catalog.check_catalog(document) == ()
    assert [entry.id for entry in catalog.entries_of(document)] == ["aide", "goss"]
    assert catalog.entries_of(document)[1].sha256 == ENTRY["sha256"]


WRONG: dict[str, tuple[dict[str, object], str, str]] = {
    "http": ({"url": "http://github.com/a/1.0"}, "url", "catalog-url-scheme"),
    "no address": ({"url": "falcon.rpm"}, "url", "catalog-url-scheme"),
    "foreign host": ({"url": "https://evil.example.com/a"}, "url", "catalog-host"),
    "user in the address": ({"url": "https://u:p@github.com/a"}, "url", "catalog-url-form"),
    "query": ({"url": "https://github.com/a?token=x"}, "url", "catalog-url-form"),
    "fragment": ({"url": "https://github.com/a#x"}, "url", "catalog-url-form"),
    "other port": ({"url": "https://github.com:8443/a"}, "url", "catalog-url-form"),
    "a folder": ({"url": "https://github.com/a/"}, "url", "catalog-url-form"),
    "a name that leads out": ({"url": "https://github.com/a/.."}, "url", "catalog-url-form"),
    "an escape": ({"url": "https://github.com/a%2f"}, "url", "catalog-url-form"),
    "long address": ({"url": "https://github.com/" + "a" * 2000}, "url", "catalog-url-form"),
    "latest in the address": (
        {"url": "https://github.com/a/latest/b"},
        "url",
        "catalog-floating-version",
    ),
    "latest as version": ({"version": "latest"}, "version", "catalog-floating-version"),
    "wildcard version": ({"version": "1.*"}, "version", "catalog-floating-version"),
    "any minor version": ({"version": "1.x"}, "version", "catalog-floating-version"),
    "word as version": ({"version": "newest"}, "version", "catalog-version"),
    "range as version": ({"version": ">=1.0"}, "version", "catalog-version"),
    "zeros as digest": ({"sha256": "0" * 64}, "sha256", "catalog-sha256-placeholder"),
    "pattern as digest": ({"sha256": "deadbeef" * 8}, "sha256", "catalog-sha256-placeholder"),
    "counting as digest": ({"sha256": "0123456789abcdef" * 4}, "sha256", "catalog-sha256-placeholder"),
    "digest of nothing": (
        {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        "sha256",
        "catalog-sha256-placeholder",
    ),
    "short digest": ({"sha256": "abc"}, "sha256", "catalog-sha256-form"),
    "no digest": ({"sha256": None}, "sha256", "catalog-shape"),
    "bad id": ({"id": "Goss!"}, "id", "catalog-id"),
    "unknown key": ({"sha512": "x"}, "sha512", "catalog-shape"),
}


@pytest.mark.parametrize(("changes", "key", "rule"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_entry_is_refused_in_its_place(changes: dict[str, object], key: str, rule: str) -> None:
    (finding,) = catalog.check_catalog(catalog_with(**changes))
    assert finding.place == f"catalog.entries[0].{key}"
    assert finding.rule == rule


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({"$schema": 1, "hosts": ["a.example.com"], "entries": []}, ["catalog.$schema"]),
        ({"hosts": ["a.example.com"] * 2, "entries": []}, ["catalog.hosts[1]"]),
        ({"hosts": ["localhost"], "entries": []}, ["catalog.hosts[0]"]),
        ({"hosts": [f"h{number}.example.com" for number in range(51)], "entries": []}, ["catalog.hosts"]),
        ({}, ["catalog.hosts", "catalog.entries"]),
        ({"hosts": [], "entries": []}, ["catalog.hosts"]),
        ({"hosts": ["*.example.com"], "entries": []}, ["catalog.hosts[0]"]),
        ({"hosts": ["a.example.com"], "entries": {}, "tools": 1}, ["catalog.tools", "catalog.entries"]),
        (
            {"hosts": ["github.com"], "entries": [ENTRY, ENTRY, 5]},
            ["catalog.entries[1].id", "catalog.entries[2]"],
        ),
        ({"hosts": ["github.com"], "entries": [5] * 201}, None),
    ],
)
def test_a_wrong_shape_is_refused(document: dict[str, object], places: list[str] | None) -> None:
    found = [finding.place for finding in catalog.check_catalog(document)]
    assert found == places if places is not None else found[0] == "catalog.entries" and len(found) <= 201


def test_our_own_catalog_passes_the_guard_and_its_schema() -> None:
    document = json.loads((CHECKOUT / "images" / "catalog.json").read_text())
    assert catalog.check_catalog(document) == ()
    schema = json.loads((CHECKOUT / "images" / "catalog.schema.json").read_text())
    schema_library.json_schema().validate(document, schema)


@pytest.mark.parametrize("destination", ["//etc/./shadow", "/.//run/a.conf", "/var/lib/waagent/"])
def test_a_detour_does_not_lead_to_a_place_that_is_not_a_teams(destination: str) -> None:
    """`image.yaml` refuses such names; a job that was made otherwise meets the guard of the builder."""
    found = [*steps.check_steps([FileStep(path="a", destination=destination)], FORMS)]
    assert [finding.rule for finding in found] == ["destination"]
