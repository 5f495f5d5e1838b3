"""The guard over definitions against their bundle, and over the catalog."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline_core import guard
from pipeline_core.guard import bundles, catalog
from pipeline_core.wire import image_yaml
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


def test_a_file_that_is_not_in_the_bundle_is_told_with_the_place_that_names_it() -> None:
    definition = image_yaml.parse_definition(
        image_yaml.read_yaml(FULL.encode()), bundle=BUNDLE, location=HERE
    )
    found = guard.check_definition(definition, {"scripts/install.sh", "Playbook.yml", "goss.yaml"})
    assert [(finding.rule, finding.place) for finding in found] == [
        ("path-in-bundle", "spec.build.provisioners[1].ansible"),
        ("path-in-bundle", "spec.build.provisioners[2].file"),
        ("path-in-bundle", "spec.verify.smoke[0]"),
    ]
    assert "'Playbook.yml'" in found[0].remedy
    assert guard.check_definition(definition, image_yaml.paths_used(definition)) == ()


def test_a_finding_becomes_a_problem_that_keeps_its_rule() -> None:
    (finding,) = bundles.check_bundle(b"")
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


WRONG = {
    "http": ({"url": "http://github.com/a/1.0"}, "url", "https"),
    "foreign host": ({"url": "https://evil.example.com/a"}, "url", "hosts"),
    "user in the address": ({"url": "https://u:p@github.com/a"}, "url", "plain"),
    "query": ({"url": "https://github.com/a?token=x"}, "url", "plain"),
    "other port": ({"url": "https://github.com:8443/a"}, "url", "plain"),
    "broken port": ({"url": "https://github.com:x/a"}, "url", "https"),
    "latest in the address": ({"url": "https://github.com/a/latest/b"}, "url", "floating"),
    "latest as version": ({"version": "latest"}, "version", "exact"),
    "wildcard version": ({"version": "1.*"}, "version", "exact"),
    "word as version": ({"version": "newest"}, "version", "exact"),
    "zeros as digest": ({"sha256": "0" * 64}, "sha256", "placeholder"),
    "pattern as digest": ({"sha256": "deadbeef" * 8}, "sha256", "placeholder"),
    "digest of nothing": (
        {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        "sha256",
        "placeholder",
    ),
    "short digest": ({"sha256": "abc"}, "sha256", "64"),
    "no text": ({"sha256": 5}, "sha256", "text"),
    "bad id": ({"id": "Goss!"}, "id", "lower-case"),
    "unknown key": ({"sha512": "x"}, "sha512", "use id"),
}


@pytest.mark.parametrize(("changes", "key", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_entry_is_refused_in_its_place(changes: dict[str, object], key: str, words: str) -> None:
    (finding,) = catalog.check_catalog(catalog_with(**changes))
    assert finding.place == f"catalog.entries[0].{key}"
    assert words in str(finding)


@pytest.mark.parametrize(
    ("document", "places"),
    [
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
    jsonschema.validate(document, json.loads((CHECKOUT / "images" / "catalog.schema.json").read_text()))
