"""Settings on sources of packages: one line for each error, and the same judgement as the JSON schema."""

import functools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.guard import bundles, sources
from pipeline_core.guard.rules import GuardRule
from tests import schema_library
from tests.unit.builder import samples
from tests.unit.images.places import IMAGES

FOLDER = IMAGES / "platform" / "sources"
KEYS = ("platform/sources/keys/mirror.asc",)
GOOD: dict[str, Any] = {
    "id": "baseos",
    "baseurl": "https://mirror.example.com:8443/rhel9/$basearch/baseos",
    "gpgKey": "keys/mirror.asc",
}
FULL: dict[str, Any] = {
    "$schema": "./settings.schema.json",
    "build": {
        "repositories": [
            GOOD,
            {**GOOD, "id": "appstream", "name": "RHEL 9 (AppStream)", "caCertificate": "keys/mirror.asc"},
        ],
        "proxy": "http://proxy.example.com:3128",
        "noProxy": [".example.com", "10.0.0.0/8", "fd00::1"],
        "pipIndex": "https://pypi.example.com/simple/",
    },
    "deployed": {
        "repositories": [{**GOOD, "gpgKey": "/etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release"}],
        "proxy": None,
    },
    "releases": {"rhel9-sap": {"releasever": "9.6"}},
}


@pytest.mark.parametrize("document", [{}, FULL, {"build": None, "deployed": None, "releases": None}])
def test_good_settings_have_no_finding(document: dict[str, Any]) -> None:
    assert sources.check_sources(document, KEYS) == ()
    assert schema().is_valid(document)


@pytest.mark.parametrize("value", [None, "https://files.example.com/tools"])
def test_a_key_of_an_older_release_is_let_pass_where_its_platform_steps_are_in_force(
    value: str | None,
) -> None:
    """Each bundle that the release before shipped has it. The builder must not refuse what goes on with them."""
    document = {"build": {"catalogMirror": value, "pipIndex": None}}
    content = samples.pack({**samples.PLATFORM, sources.SETTINGS: json.dumps(document)})
    assert bundles.check_settings(content, is_in_force=True) == ()
    (finding,) = bundles.check_settings(content)
    assert finding.place == "sources.build.catalogMirror"
    other = {"build": {"catalogMirror": value, "mirror": "x"}}
    assert len(sources.check_sources(other, (), is_in_force=True)) == 1


def test_the_settings_that_ship_change_nothing() -> None:
    shipped = json.loads((FOLDER / "settings.json").read_text("utf-8"))
    assert sources.check_sources(shipped, ()) == ()
    assert sources.environment_of(shipped) == {}


@pytest.mark.parametrize(
    ("document", "place", "rule"),
    [
        (None, "sources", GuardRule.SOURCES_SHAPE),
        ({"mirrors": []}, "sources.mirrors", GuardRule.SOURCES_SHAPE),
        ({"build": []}, "sources.build", GuardRule.SOURCES_SHAPE),
        ({"build": {"repositories": []}}, "sources.build.repositories", GuardRule.SOURCES_SHAPE),
        ({"build": {"repositories": ["x"]}}, "sources.build.repositories[0]", GuardRule.SOURCES_SHAPE),
        (
            {"build": {"repositories": [GOOD, GOOD]}},
            "sources.build.repositories[1].id",
            GuardRule.SOURCES_SHAPE,
        ),
        (
            {"build": {"repositories": [GOOD]}, "deployed": {"repositories": [{**GOOD, "gpgcheck": "0"}]}},
            "sources.deployed.repositories[0].gpgcheck",
            GuardRule.SOURCES_SHAPE,
        ),
        (
            {"build": {"repositories": [{"id": "a", "baseurl": GOOD["baseurl"]}]}},
            "sources.build.repositories[0].gpgKey",
            GuardRule.SOURCES_KEY,
        ),
        (
            {"build": {"repositories": [{**GOOD, "gpgKey": "keys/absent.asc"}]}},
            "sources.build.repositories[0].gpgKey",
            GuardRule.SOURCES_KEY,
        ),
        (
            {"build": {"repositories": [{**GOOD, "gpgKey": "keys/../../x"}]}},
            "sources.build.repositories[0].gpgKey",
            GuardRule.SOURCES_KEY,
        ),
        (
            {"build": {"repositories": [{**GOOD, "baseurl": "http://mirror.example.com/a"}]}},
            "sources.build.repositories[0].baseurl",
            GuardRule.SOURCES_ADDRESS,
        ),
        (
            {"build": {"proxy": "http://me:pw@p.example.com"}},
            "sources.build.proxy",
            GuardRule.SOURCES_ADDRESS,
        ),
        (
            {"deployed": {"proxy": "socks5://p.example.com"}},
            "sources.deployed.proxy",
            GuardRule.SOURCES_ADDRESS,
        ),
        (
            {"build": {"pipIndex": "https://u:p@x.example.com"}},
            "sources.build.pipIndex",
            GuardRule.SOURCES_ADDRESS,
        ),
        ({"build": {"noProxy": ["*.example.com"]}}, "sources.build.noProxy[0]", GuardRule.SOURCES_SHAPE),
        ({"build": {"catalogMirror": None}}, "sources.build.catalogMirror", GuardRule.SOURCES_SHAPE),
        ({"build": {"noProxy": "a"}}, "sources.build.noProxy", GuardRule.SOURCES_SHAPE),
        (
            {"releases": {"rhel9": {"releasever": "9"}}},
            "sources.releases.rhel9.releasever",
            GuardRule.SOURCES_RELEASE,
        ),
        (
            {"releases": {"rhel9": {"releasever": 9.6}}},
            "sources.releases.rhel9.releasever",
            GuardRule.SOURCES_RELEASE,
        ),
        (
            {"releases": {"rhel9": {"releasever": "9.6", "eus": "yes"}}},
            "sources.releases.rhel9.eus",
            GuardRule.SOURCES_SHAPE,
        ),
        (
            {"build": {"repositories": [GOOD]}, "releases": {"rhel9": {"releasever": "9.6", "eus": True}}},
            "sources.releases.rhel9.eus",
            GuardRule.SOURCES_RELEASE,
        ),
        ({"releases": {"RHEL 9": {"releasever": "9.6"}}}, "sources.releases.RHEL 9", GuardRule.SOURCES_SHAPE),
        ({"releases": {"rhel9": "9.6"}}, "sources.releases.rhel9", GuardRule.SOURCES_SHAPE),
        ({"releases": []}, "sources.releases", GuardRule.SOURCES_SHAPE),
        ({"deployed": {"repositories": [GOOD]}}, "sources.deployed.repositories", GuardRule.SOURCES_SHAPE),
        (
            {"build": {"repositories": None}, "deployed": {"repositories": [GOOD]}},
            "sources.deployed.repositories",
            GuardRule.SOURCES_SHAPE,
        ),
        (
            {"build": {"pipIndex": "https://pypi.org/simple"}},
            "sources.build.pipIndex",
            GuardRule.SOURCES_ADDRESS,
        ),
        (
            {"build": {"pipIndex": "https://files.pythonhosted.org:443"}},
            "sources.build.pipIndex",
            GuardRule.SOURCES_ADDRESS,
        ),
    ],
    ids=range(28),
)
def test_an_error_is_one_line_with_place_and_remedy(document: Any, place: str, rule: GuardRule) -> None:
    (finding,) = sources.check_sources(document, KEYS)
    assert (finding.place, finding.rule) == (place, rule)
    assert finding.remedy
    assert "pw@" not in str(finding)


@pytest.mark.parametrize("host", ["pypi.org.example.com", "a-pypi.org", "pypi.example.com"])
def test_an_index_whose_name_is_only_like_a_public_one_is_good(host: str) -> None:
    document = {"build": {"pipIndex": f"https://{host}/simple"}}
    assert sources.check_sources(document, ()) == ()
    assert schema().is_valid(document)


def test_a_build_gets_its_proxy_in_both_spellings_and_azures_own_addresses_without_it() -> None:
    found = sources.environment_of(FULL)
    assert found["https_proxy"] == found["HTTP_PROXY"] == "http://proxy.example.com:3128"
    assert found["no_proxy"] == (
        "localhost,127.0.0.1,::1,169.254.169.254,168.63.129.16,.example.com,10.0.0.0/8,fd00::1"
    )
    assert found["PIP_INDEX_URL"] == "https://pypi.example.com/simple/"


ANY = st.one_of(st.none(), st.integers(), st.just("x"), st.lists(st.integers(), max_size=1), st.booleans())
HOSTS = st.sampled_from(["mirror.example.com", "m", "A.example.com", "u:p@a.b", "-a.b", "a..b", ""])
PATHS = st.sampled_from(["", "/", "/a", "/a/$releasever", "//", "/a b", "/?q", "/a/../b", ":8443/a", ":0/a"])
URLS = st.builds("".join, st.tuples(st.sampled_from(["https://", "http://", "ftp://", ""]), HOSTS, PATHS))
TEXTS = st.sampled_from(
    ["baseos", "9.6", "9", "99.99", "keys/mirror.asc", "/etc/pki/x/y", "/etc/x", ".a.b", "é", "a b"]
)
VALUES = st.one_of(URLS, TEXTS, ANY)
REPOSITORIES = st.one_of(
    ANY,
    st.lists(st.dictionaries(st.sampled_from(["id", "name", "baseurl", "gpgKey", "x"]), VALUES), max_size=2),
    st.lists(
        st.builds(lambda key, value: {**GOOD, key: value}, st.sampled_from(sorted(GOOD)), VALUES), max_size=1
    ),
)
PARTS = st.one_of(
    ANY,
    st.fixed_dictionaries(
        {},
        optional={
            "repositories": REPOSITORIES,
            "proxy": VALUES,
            "pipIndex": st.one_of(
                VALUES, st.sampled_from(["https://pypi.org/simple", "https://test.pypi.org"])
            ),
            "noProxy": st.one_of(ANY, st.lists(VALUES)),
        },
    ),
)
RELEASES = st.one_of(
    ANY,
    st.dictionaries(
        st.sampled_from(["rhel9", "A", "a--b"]),
        st.one_of(ANY, st.fixed_dictionaries({}, optional={"releasever": VALUES, "eus": ANY})),
    ),
)
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"build": PARTS, "deployed": PARTS, "releases": RELEASES, "x": ANY}
)
# What needs two places of the document, or the files beside it.
BEYOND_A_SCHEMA = (
    "again",
    "is not in the bundle",
    "instead of Azure's update servers",
    "and build.repositories is not",
)


@functools.cache
def schema() -> Any:
    found = json.loads((FOLDER / "settings.schema.json").read_text("utf-8"))
    schema_library.json_schema().Draft202012Validator.check_schema(found)
    return schema_library.json_schema().Draft202012Validator(found)


@given(document=DOCUMENTS)
def test_schema_and_guard_agree(document: dict[str, Any]) -> None:
    findings = sources.check_sources(document, KEYS)
    if schema().is_valid(document):
        assert [each for each in findings if not any(word in each.message for word in BEYOND_A_SCHEMA)] == []
    else:
        assert findings


def with_settings(text: str, *more: str) -> bytes:
    files = {**samples.PLATFORM, sources.SETTINGS: text, **dict.fromkeys(more, "a key\n")}
    return samples.pack(files)


@pytest.mark.parametrize("text", ["no json", "[" * 100_000, "[]", " " * 70_000 + "{}"], ids=range(4))
def test_settings_that_cannot_be_read_are_refused_with_the_bundle(text: str) -> None:
    (finding,) = bundles.check_platform(with_settings(text), {"hosts": ["example.com"], "entries": []})
    assert (
        str(finding) == "sources: is not a JSON object; give build, deployed, releases, or {} [sources-shape]"
    )
    assert bundles.sources_in(with_settings(text)) == {}


def test_a_bundle_is_judged_with_the_keys_that_it_holds() -> None:
    text = json.dumps({"build": {"repositories": [GOOD]}})
    assert bundles.check_settings(with_settings(text, *KEYS)) == ()
    assert [each.rule for each in bundles.check_settings(with_settings(text))] == [GuardRule.SOURCES_KEY]
    assert bundles.check_settings(samples.pack(samples.PLATFORM)) == ()
