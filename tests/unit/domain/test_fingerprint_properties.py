"""The fingerprint over all inputs: two builds have one exactly where every input is the same, in whatever order."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import fingerprint as rules
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint, sha256_of
from pipeline_core.domain.names import Digest, ImageName, RebuildToken, Region
from pipeline_core.domain.recipe import recipe_digest
from pipeline_core.domain.sources import OriginVersion, ParentVersion, SourceVersion
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.wire.image_yaml import read as image_yaml
from tests.unit.domain import factories as make

# Few values for each, so that two drawn inputs are often the same in some of them.
DIGESTS = st.sampled_from("123").map(make.digest)
IMAGES = st.sampled_from([make.BASE, make.CHILD])
ORIGINS: st.SearchStrategy[OriginVersion] = st.one_of(
    st.builds(
        SourceVersion,
        source=st.just(make.SOURCE),
        version=st.builds(MarketplaceVersion, st.just(9), st.integers(1, 11), st.integers(1, 2)),
    ),
    st.builds(
        ParentVersion,
        image=IMAGES,
        version=st.builds(GalleryVersion, st.just(9), st.integers(1, 11), st.integers(1, 2)),
    ),
)
TOOLS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.tuples(st.sampled_from("12"), st.sampled_from("xy"))
)
CATALOGS = TOOLS.map(lambda tools: tuple((tool, *pinned) for tool, pinned in tools.items()))
INPUTS = st.builds(
    BuildInputs,
    image=IMAGES,
    recipe=DIGESTS,
    bundle=DIGESTS,
    origin=ORIGINS,
    platform=DIGESTS,
    catalog=CATALOGS,
    period=st.integers(0, 2),
    token=st.one_of(st.none(), st.sampled_from(["None", "1", "2"]).map(RebuildToken)),
)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "image": IMAGES,
    "recipe": DIGESTS,
    "bundle": DIGESTS,
    "origin": ORIGINS,
    "platform": DIGESTS,
    "catalog": CATALOGS,
    "period": st.integers(0, 2),
    "token": st.one_of(st.none(), st.sampled_from(["None", "1", "2"]).map(RebuildToken)),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _turned(value: object) -> object:
    """The same JSON value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        return {key: _turned(each) for key, each in reversed(value.items())}
    return [_turned(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("field", [each.name for each in fields(BuildInputs)])
@given(data=st.data())
def test_one_input_alone_decides_whether_the_fingerprint_is_another(field: str, data: st.DataObject) -> None:
    inputs = data.draw(INPUTS)
    other = replace(inputs, **{field: data.draw(VALUES[field])})
    is_same = replace(other, catalog=tuple(sorted(other.catalog))) == replace(
        inputs, catalog=tuple(sorted(inputs.catalog))
    )
    assert (fingerprint(other) == fingerprint(inputs)) is is_same


@given(INPUTS, st.randoms(use_true_random=False))
def test_the_order_in_which_tools_are_listed_is_not_an_input(inputs: BuildInputs, chance: Any) -> None:
    tools = list(inputs.catalog)
    chance.shuffle(tools)
    assert fingerprint(replace(inputs, catalog=tuple(tools))) == fingerprint(inputs)


@given(JSON)
def test_the_canonical_form_knows_no_order_of_keys_at_any_depth(value: object) -> None:
    assert sha256_of(_turned(value)) == sha256_of(value)


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.text("ab", max_size=3), min_size=2))
def test_an_image_yaml_with_its_keys_in_another_order_is_the_same_recipe(env: dict[str, str]) -> None:
    document = {
        "apiVersion": "imagefactory/v1",
        "kind": "ImageDefinition",
        "metadata": {"name": "payments-api", "team": "payments", "owners": ["payments@example.com"]},
        "spec": {
            "parent": {"image": "rhel9-base", "channel": "live"},
            "os": {"generation": "V2", "architecture": "x64", "securityType": "TrustedLaunch"},
            "build": {
                "vmSize": "Standard_D2s_v5",
                "timeout": "60m",
                "provisioners": [
                    {"shell": "scripts/install.sh", "env": env},
                    {"file": "files/app.conf", "destination": "/etc/app.conf"},
                ],
            },
            "publish": {"regions": [{"name": "westeurope", "replicas": 1}]},
        },
    }
    one, other = _recipe(document), _recipe(_turned(document))
    assert one == other


def _recipe(document: Any) -> Digest:
    definition = image_yaml.parse_definition(document, bundle=make.digest("1"), location=Region("westeurope"))
    assert definition.name == ImageName("payments-api")
    return recipe_digest(definition)


def test_a_form_that_kept_the_order_of_keys_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"b": 1, "a": {"d": 1, "c": 2}}
    assert rules.sha256_of(_turned(value)) == rules.sha256_of(value)
    keep = json.dumps
    monkeypatch.setattr(json, "dumps", lambda given, **how: keep(given, **{**how, "sort_keys": False}))
    assert rules.sha256_of(_turned(value)) != rules.sha256_of(value)
