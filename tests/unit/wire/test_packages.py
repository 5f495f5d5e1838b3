"""Lists of packages and advisories from inside a machine: what is read, and that nothing odd gets through."""

import json
import tracemalloc
from typing import Any

import pytest

from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.domain.packages import Advisory, Package
from pipeline_core.wire import packages as reported

BASH = {"name": "bash", "version": "5.1.8", "release": "9.el9"}
NOTICE = {"id": "RHSA-1", "kind": "security", "severity": "low", "packages": ["bash-5.1.8-9.el9.x86_64"]}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_packages_are_read_as_they_were_reported() -> None:
    full = {**BASH, "arch": "x86_64", "epoch": 1, "vendor": "V", "license": "L", "source": "s.src.rpm"}
    full |= {"module": "a:1:2:c", "repository": "baseos"}
    packages, simulated = reported.parse_packages(encoded([full, {**BASH, "later": "field"}]))
    assert packages == (
        Package(
            name="bash",
            version="5.1.8",
            release="9.el9",
            arch="x86_64",
            epoch=1,
            vendor="V",
            license="L",
            source="s.src.rpm",
            module="a:1:2:c",
            repository="baseos",
        ),
        Package(name="bash", version="5.1.8", release="9.el9"),
    )
    assert not simulated
    assert reported.parse_packages(encoded([BASH, {**BASH, "simulated": True}]))[1]


def test_advisories_are_one_for_each_package() -> None:
    names = ["bash-5.1.8-9.el9.x86_64", "bash-doc-0:5.1.8-9.el9.noarch"]
    content = encoded({"known": True, "installed": [{**NOTICE, "packages": names}], "available": [NOTICE]})
    found = reported.parse_advisories(content)
    assert found is not None
    assert [(each.id, each.package.name) for each in found] == [
        ("RHSA-1", "bash"),
        ("RHSA-1", "bash-doc"),
        ("RHSA-1", "bash"),
    ]
    assert isinstance(found[0], Advisory)


@pytest.mark.parametrize("content", [{"known": False}, {"known": False, "installed": [NOTICE]}])
def test_unknown_advisories_are_not_none_at_all(content: dict[str, Any]) -> None:
    assert reported.parse_advisories(encoded(content)) is None
    assert reported.parse_advisories(encoded({"known": True})) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"[1]",
        b'[{"name": "bash"}]',
        encoded([{**BASH, "name": ""}]),
        encoded([{**BASH, "name": "a b"}]),
        encoded([{**BASH, "name": "a\x1b[31m"}]),
        encoded([{**BASH, "name": "a" * 201}]),
        encoded([{**BASH, "version": 5}]),
        encoded([{**BASH, "epoch": "1"}]),
        encoded([{**BASH, "epoch": True}]),
        encoded([{**BASH, "epoch": -1}]),
        encoded([{**BASH, "epoch": 10**30}]),
        encoded([{**BASH, "license": "x" * 20_001}]),
        encoded([{**BASH, "module": "a:1 b"}]),
        encoded([{**BASH, "repository": "r" * 401}]),
        encoded([BASH] * 10_001),
    ],
    ids=range(21),
)
def test_an_odd_list_of_packages_is_refused_in_few_words(content: bytes) -> None:
    with pytest.raises(MalformedMessage, match=r"packages\.json cannot be read") as refused:
        reported.parse_packages(content)
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        encoded({"known": 1}),
        encoded({"known": True, "installed": [{**NOTICE, "kind": "rumour"}]}),
        encoded({"known": True, "installed": [{**NOTICE, "severity": "Important"}]}),
        encoded({"known": True, "available": [{**NOTICE, "packages": ["bash"]}]}),
        encoded({"known": True, "available": [{**NOTICE, "packages": "bash-1-1.x"}]}),
    ],
    ids=range(7),
)
def test_odd_advisories_are_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage, match=r"advisories\.json cannot be read"):
        reported.parse_advisories(content)


def test_a_million_wrong_entries_cost_one_error() -> None:
    content = b"[" + b",".join([b"1"] * 500_000) + b"]"
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage):
            reported.parse_packages(content)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
