"""The guard for placeholders: where a host for examples is found, where it is not, and what the line says."""

import json
from typing import Any

import pytest

from pipeline_core.domain.definitions import Webhook
from pipeline_core.guard import placeholders
from tests.unit.guard.archives import files

WHOLE = {
    "hosts": ["artifacts.example.com", "github.com", "localhost.localdomain", "203.0.113.9"],
    "entries": [
        {"id": "a", "url": "https://artifacts.example.com/a"},
        {"id": "b", "url": "https://github.com/b"},
        {"id": "c", "url": "https://localhost/c"},
    ],
}


def places(found: Any) -> list[str]:
    return [finding.place for finding in found]


def test_every_placeholder_of_a_catalog_is_found_at_once_with_place_host_and_remedy() -> None:
    found = [*placeholders.in_catalog(WHOLE)]
    assert places(found) == [
        "catalog.hosts[0]",
        "catalog.hosts[2]",
        "catalog.hosts[3]",
        "catalog.entries[0].url",
        "catalog.entries[2].url",
    ]
    assert str(found[3]) == (
        "catalog.entries[0].url: artifacts.example.com is a placeholder: the name is reserved for examples, and "
        "nothing serves it; give address, version and SHA-256 of your own copy, or take the entry out [placeholder]"
    )
    assert all("\n" not in str(each) for each in found)


@pytest.mark.parametrize(
    "catalog",
    [
        {},
        {"hosts": None, "entries": 5},
        {"hosts": [1, None, "localhost"], "entries": [1, {}, {"url": 5}, {"url": "example.com"}]},
    ],
    ids=["empty", "no-lists", "odd-members"],
)
def test_a_catalog_of_another_shape_has_no_placeholder(catalog: dict[str, Any]) -> None:
    """The guard for catalogs objects to its shape, and to a host without a dot."""
    assert [*placeholders.in_catalog(catalog)] == []


SETTINGS: dict[str, tuple[str, bytes, list[str]]] = {
    "json": ("platform/scap/settings.json", b'{\n "mirror": "https://m.example.com/x"\n}', ["2"]),
    "yaml": ("roles/a/defaults/main.yml", b"a: 1\nb: https://m.invalid/x\nc: ftp://m.test\n", ["2", "3"]),
    "repo": ("platform/a.repo", b"[a]\nbaseurl=https://repo.example.net/9\n", ["2"]),
    "comment": ("platform/a.conf", b"# https://m.example.com\n  ; https://m.example.com\n", []),
    "own machine": ("platform/a.json", b'{"proxy": "http://localhost:3128", "b": "http://127.0.0.1"}', []),
    "comment after a value": ("platform/a.yml", b"a: 1 # for example https://m.example.com\n", []),
    "comment after a quote": (
        "platform/a.yml",
        b"a: 'it''s' # https://m.example.com\nb: \"\\\"#\"\t# https://m.example.com\n",
        [],
    ),
    "comment after an apostrophe": ("platform/a.ini", b"a=the team's # https://m.example.com\n", []),
    "value before a comment": ("platform/a.yml", b"a: https://m.example.com # our mirror\n", ["1"]),
    "hash of an address": ("platform/a.yml", b"a: http://contoso.com/#x http://m.example.com\n", ["1"]),
    "hash in quotes": (
        "platform/a.yml",
        b'a: "x # https://m.example.com"\nb: \'y # https://m.test\'\nc: "\\" # https://m.test"\n',
        ["1", "2", "3"],
    ),
    "message of a role": ("roles/a/tasks/b/c.yml", b"fail_msg: such as https://m.example.com\n", []),
    "handler": ("roles/a/handlers/main.yml", b"msg: https://m.example.com\n", []),
    "test of a role": ("roles/a/tests/goss.yaml", b"contents: [https://m.example.com]\n", []),
    "meta": ("roles/a/meta/main.yml", b"issue_tracker_url: https://m.example.com\n", []),
    "variable of a role": ("roles/tasks/vars/main.yml", b"a: https://m.example.com\n", ["1"]),
    "tasks elsewhere": ("platform/roles/a/tasks/main.yml", b"a: https://m.example.com\n", ["1"]),
    "schema": ("roles/a/files/b.schema.json", b'{"$id": "https://example.com/b.json"}\n', []),
    "escaped slash": ("platform/a.json", b'{\n"proxy": "http:\\/\\/proxy.example.com:3128"}\n', ["2"]),
    "escaped letter": ("platform/a.json", b'{"a": "http:\\u002f\\u002Fp\\u002eexample.com"}\n', ["1"]),
    "escaped backslash": ("platform/a.json", b'{"a": "http:\\\\/\\\\/p.example.com"}\n', []),
    "after an escaped end of line": ("platform/a.json", b'{"a": "x\\nhttp://p.example.com"}\n', ["1"]),
    "hash in JSON": ("platform/a.json", b'{"a": 1,\n"b": "x # http://p.example.com"}\n', ["2"]),
    "real": ("platform/a.json", b'{"mirror": "https://mirror.contoso.com"}', []),
    "mail": ("platform/a.yml", b"owner: secops@example.com\n", []),
    "program": ("platform/hygiene/a.py", b'KNOWN = "https://issuer.example.com"\n', []),
    "script": ("platform/before/a.sh", b"curl https://m.example.com/\n", []),
    "catalog": ("catalog.json", json.dumps(WHOLE).encode(), []),
    "not utf-8": ("platform/a.json", b"\xff\xfe https://m.example.com\n", ["1"]),
}


@pytest.mark.parametrize(("name", "content", "lines"), SETTINGS.values(), ids=SETTINGS.keys())
def test_settings_of_platform_steps_are_looked_at_by_line(
    name: str, content: bytes, lines: list[str]
) -> None:
    others = {"platform/0.sh": b"x\n", "roles/z.yml": b"z: 1\n"}
    found = placeholders.in_platform(files(**{**others, name: content}))
    assert places(found) == [f"{name}:{line}" for line in lines]


def test_a_webhook_of_ones_own_machine_is_left_to_the_rule_of_webhooks() -> None:
    urls = ("https://hooks.example.org/a", "https://hooks.contoso.com/a", "https://localhost/a")
    found = placeholders.in_webhooks([Webhook(url=url, events=()) for url in urls])
    assert places(found) == ["spec.notify[0].webhook"]
