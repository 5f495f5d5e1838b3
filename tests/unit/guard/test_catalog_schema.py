"""The JSON schema of the catalog and the guard judge alike, wherever a schema can tell."""

import copy
import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.guard import catalog
from pipeline_core.guard.rules import GuardRule
from tests import schema_library

SCHEMA = Path(__file__).parents[3] / "images" / "catalog.schema.json"
# What needs two places of a document at once, or a count of characters.
BEYOND_A_SCHEMA = {GuardRule.CATALOG_HOST, GuardRule.CATALOG_DUPLICATE, GuardRule.CATALOG_SHA256_PLACEHOLDER}
GOOD = {
    "id": "goss",
    "version": "0.4.9",
    "url": "https://a.example.com/goss/v0.4.9/goss-linux-amd64",
    "sha256": "87dd36cfa1b8b50554e6e2ca29168272e26755b19ba5438341f7c66b36decc19",
}
# No control characters: of those, `$` of a pattern means another thing in Python than in the standard.
ANY = st.one_of(st.none(), st.integers(), st.lists(st.integers(), max_size=1), st.booleans())
WORDS = st.sampled_from(["latest", "Latest", "stable", "main", "1.0", "head", "HEAD", "v2", "a"])
JOINS = st.sampled_from([".", "-", "_", "/", "", "~", "+", "*"])
MIXED = st.lists(st.one_of(WORDS, JOINS), max_size=6).map("".join)
URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["https://", "http://", "HTTPS://", "ftp://", "https:/", ""]),
        st.sampled_from(
            ["a.example.com", "b.example.com", "u:p@a.example.com", "a.example.com:443", "A.example.com", ""]
        ),
        st.sampled_from(["/", "", "//", "/.", "/..", "/-", "/a%2f", "/a b", "/é", "/goss/"]),
        MIXED,
        st.sampled_from(["", "?a=b", "#x", "/", "/goss", ".rpm"]),
    ),
)
DIGESTS = st.one_of(
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.text("0123456789abcdefABCg", max_size=66),
    st.builds(
        lambda unit, length: (unit * 64)[:length],
        st.text("0123456789abcdef", min_size=1, max_size=17),
        st.sampled_from([63, 64, 65]),
    ),
    st.just("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
)
IDS = st.one_of(st.text("ab1._-A é", max_size=5), st.sampled_from(["a" * 63, "a" * 64, "falcon-sensor"]))
VERSIONS = st.one_of(MIXED, st.sampled_from(["1" * 64, "1" * 65, "7.29.0-1.el9", "1:2", "^1.0", "1.x", "2 "]))
HOSTS = st.sampled_from(
    (
        *("a.example.com", "b.example.com", "*.example.com", "localhost", "A.example.com", "a..b", "-a.b"),
        *("a.b-", "a.example.com:443", "https://a.example.com", "", "é.example.com", "10.0.0.1"),
        "a" * 250 + ".example.com",
    )
)
KEYS = {"id": IDS, "version": VERSIONS, "url": URLS, "sha256": DIGESTS}


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, Any]:
    """A good catalog with a few things changed, so that either side has something to say and often nothing."""
    made: dict[str, Any] = {"hosts": ["a.example.com", "b.example.com"], "entries": [copy.deepcopy(GOOD)]}
    entry = made["entries"][0]
    for key in draw(st.lists(st.sampled_from(sorted(KEYS)), max_size=2, unique=True)):
        entry[key] = draw(st.one_of(KEYS[key], KEYS[key], KEYS[key], ANY))
    match draw(st.integers(0, 15)):  # half of the time: nothing more
        case 0:
            made["hosts"] = draw(st.one_of(st.lists(st.one_of(HOSTS, ANY), max_size=3), ANY))
        case 1:
            made["hosts"] = [f"h{number}.example.com" for number in range(draw(st.integers(49, 52)))]
        case 2:
            made[draw(st.sampled_from(["$schema", "tools"]))] = draw(st.one_of(st.just("x"), ANY))
        case 3:
            entry[draw(st.sampled_from(["sha512", "name"]))] = "x"
        case 4:
            del entry[draw(st.sampled_from(sorted(KEYS)))]
        case 5:
            made["entries"] = draw(st.one_of(ANY, st.lists(ANY, max_size=2)))
        case 6:
            made["entries"] = [{**GOOD, "id": f"t{number}"} for number in range(draw(st.integers(199, 202)))]
        case 7:
            del made[draw(st.sampled_from(["hosts", "entries"]))]
    return made


@functools.cache
def schema() -> Any:
    found = json.loads(SCHEMA.read_text("utf-8"))
    schema_library.json_schema().Draft202012Validator.check_schema(found)
    return schema_library.json_schema().Draft202012Validator(found)


@given(document=catalogs())
def test_schema_and_guard_agree(document: dict[str, Any]) -> None:
    findings = catalog.check_catalog(document)
    if schema().is_valid(document):
        assert {finding.rule for finding in findings} <= BEYOND_A_SCHEMA
    else:
        assert findings


@pytest.mark.parametrize("key", ["sha256", "url"])
def test_one_thing_that_only_the_guard_can_see_is_reported_by_it(key: str) -> None:
    wrong = {"sha256": "01" * 31 + "23", "url": "https://elsewhere.example.com/a"}[key]
    document = {"hosts": ["a.example.com"], "entries": [{**GOOD, key: wrong}]}
    assert schema().is_valid(document)
    assert len(catalog.check_catalog(document)) == 1
