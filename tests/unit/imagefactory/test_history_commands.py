"""`imagefactory history`, `builds list` and `state unreadable`: a page, every page, and where the next one begins."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, reply

pytestmark = pytest.mark.process

AT = "2026-11-21T09:30:00Z"


def _entry(event: str) -> dict[str, Any]:
    return {"at": AT, "event": event, "actor": "Sam", "build": None, "version": None, "detail": "d"}


def _build(identity: str) -> dict[str, Any]:
    return {
        "id": identity,
        "created_at": AT,
        "phase": "finished",
        "result": "succeeded",
        "version": "9.20261121.1",
        "reasons": ["never-built"],
        "gates": [],
    }


def _pages(factory: FakeFactory, key: str, *pages: list[dict[str, Any]]) -> None:
    for number, page in enumerate(pages):
        following = f"c{number + 1}" if number + 1 < len(pages) else None
        factory.answers.append(reply(200, {key: page, "next": following}))


def test_a_page_of_the_journal_says_where_the_next_one_begins(run: Run, factory: FakeFactory) -> None:
    _pages(factory, "entries", [_entry("image.published")], [_entry("build.queued")])
    done = run("history", "app", "--limit", "1")
    assert done.exit_code == 0
    assert "image.published" in done.stdout
    assert "build.queued" not in done.stdout
    assert "--cursor c1" in done.stderr
    assert factory.asked[-1][1] == "/api/images/app/journal?cursor=&limit=1"


def test_all_pages_come_in_one_list(run: Run, factory: FakeFactory) -> None:
    _pages(factory, "builds", [_build("app.a.3")], [_build("app.a.2")], [_build("app.a.1")])
    done = run("builds", "list", "app", "--all", "-o", "json")
    shown = json.loads(done.stdout)
    assert [build["id"] for build in shown["builds"]] == ["app.a.3", "app.a.2", "app.a.1"]
    assert shown["next"] is None
    assert [path.partition("?")[2] for _, path, _ in factory.asked[-2:]] == [
        "cursor=c1&limit=50",
        "cursor=c2&limit=50",
    ]


def test_a_cursor_continues_there(run: Run, factory: FakeFactory) -> None:
    _pages(factory, "builds", [_build("app.a.1")])
    done = run("builds", "list", "app", "--cursor", "9879-app")
    assert done.exit_code == 0
    assert "app.a.1" in done.stdout
    assert "cursor=9879-app" in factory.asked[-1][1]
    assert "more" not in done.stderr


def test_rows_that_cannot_be_read_are_listed(run: Run, factory: FakeFactory) -> None:
    row = {
        "table": "images",
        "partition": "app",
        "key": "head",
        "row_schema": "2",
        "first_seen": AT,
        "why": "w",
    }
    factory.answers += [reply(200, {"rows": [row], "next": None})]
    done = run("state", "unreadable")
    assert done.exit_code == 0
    assert "1 rows that cannot be read" in done.stdout
    assert "head" in done.stdout


def test_the_journal_shows_a_name_and_whose_it_is(run: Run, factory: FakeFactory) -> None:
    asked = {**_entry("rebuild.requested"), "identity": "user:5a@te"}
    _pages(factory, "entries", [asked, {**_entry("build.queued"), "identity": None, "actor": "factory"}])
    done = run("history", "app")
    assert "Sam (user:5a@te)" in " ".join(done.stdout.split())
    assert "factory (" not in done.stdout
