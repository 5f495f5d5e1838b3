"""The dashboard's pages: what they show, that they are safe, and that they are accessible."""

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import markupsafe
import pytest

from dashboard import pages
from pipeline_core.domain.lineage import LineageProblem
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.services.views.views import ImagePage
from tests.unit.triggers import views

VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})


class Outline(HTMLParser):
    """Tags of a page in order; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


FLEET = pages.fleet(views.PAGE)
IMAGE = pages.image(views.DETAIL)
EMPTY = pages.fleet(ImagePage(images=(), next=None, total=0))
BARE = pages.image(replace(views.DETAIL, builds=(), journal=()))
POISON = pages.poison((views.POISON, views.STRAY), "k2")
CLEAN = pages.poison((), None)
HELD = pages.image(
    replace(
        views.DETAIL,
        image=replace(views.PAYMENTS, conditions=(views.STALLED,)),
        builds=(replace(views.BUILD, conditions=(views.STALLED,)),),
    )
)
ALL = pytest.mark.parametrize(
    "text",
    [FLEET, IMAGE, EMPTY, BARE, POISON, CLEAN, HELD],
    ids=["fleet", "image", "empty", "bare", "poison", "no poison", "held"],
)


def test_the_overview_shows_bases_before_their_children() -> None:
    assert (
        FLEET.index(">Bases<")
        < FLEET.index("rhel9-base</a>", FLEET.index(">Bases<"))
        < FLEET.index("Level 1")
    )
    assert "9.20261121.1" in FLEET
    assert "RedHat:RHEL:9-lvm-gen2:9.6.2025112113" in FLEET
    assert "never-built" in FLEET
    assert "Registered: 2. Listed here: 2. Being built: 1." in FLEET


def test_the_overview_shows_running_builds() -> None:
    running = FLEET[FLEET.index('id="running"') : FLEET.index('id="level-0"')]
    assert views.BUILD_ID in running
    assert "building" in running
    assert "rhel9-base" not in running


def test_an_image_without_a_place_is_shown_and_its_error_too() -> None:
    misplaced = LineageProblem(image=ImageName("payments-api"), reason="orphan", message="has no parent")
    text = pages.fleet(replace(views.PAGE, misplaced=(misplaced,)))
    assert "Without a place" in text
    assert "payments-api</a>: has no parent" in text


def test_images_are_shown_by_level_as_far_as_the_page_lists_what_is_above_them() -> None:
    base, app = views.BASE, views.PAYMENTS
    below = replace(app, name="shop", parent=app.name)
    (first, second, third) = pages.levels_of(replace(views.PAGE, images=(below, app, base)))
    assert [first.title, second.title, third.title] == ["Bases", "Level 1", "Level 2"]
    assert [third.images, second.images, first.images] == [(below,), (app,), (base,)]
    (elsewhere,) = pages.levels_of(replace(views.PAGE, images=(app, below)))
    assert (elsewhere.title, elsewhere.images) == ("Built from images of other pages", (app, below))
    (nowhere,) = pages.levels_of(replace(views.PAGE, images=(replace(app, parent="shop"), below)))
    assert nowhere.title == "Without a place"  # a cycle that the sweep has not recorded yet


def test_a_fleet_that_was_not_counted_has_a_dash() -> None:
    assert "Registered: -. Listed here: 2." in pages.fleet(replace(views.PAGE, total=None))


def test_the_next_page_is_linked_where_there_is_one() -> None:
    assert 'href="/?after=rhel9-base"' in pages.fleet(replace(views.PAGE, next="rhel9-base"))
    assert 'rel="next"' not in FLEET


def test_an_image_shows_its_facts_versions_builds_and_journal() -> None:
    versions = IMAGE[IMAGE.index('id="versions"') : IMAGE.index('id="builds"')]
    assert "1.20261120.1" in versions
    assert "1.20261121.1" not in versions
    builds = IMAGE[IMAGE.index('id="builds"') : IMAGE.index('id="journal"')]
    assert "provisioner: scripts/install.sh ended with 1 (team must act)" in builds
    assert 'mark good">passed</span> boot (simulated)' in builds
    assert 'mark bad">failed</span> compliance 41.5 (simulated): scored 41.5 of &lt;90&gt;' in builds
    assert "build.queued" in IMAGE[IMAGE.index('id="journal"') :]
    assert 'href="/images/rhel9-base"' in IMAGE


def test_what_is_absent_is_a_dash_and_never_the_word_none() -> None:
    journal = IMAGE[IMAGE.index('id="journal"') :]
    assert "<td>factory</td><td>-</td>" in journal
    level = FLEET[FLEET.index(">Level 1<") :]
    assert "<td>-</td>" in level  # it was never published
    assert ">None<" not in FLEET + IMAGE + POISON


@ALL
def test_a_page_is_well_formed_and_accessible(text: str) -> None:
    outline = Outline(text)
    assert text.startswith("<!doctype html>")
    assert outline.attributes("html") == [{"lang": "en"}]
    assert (
        len(outline.attributes("h1"))
        == len(outline.attributes("main"))
        == len(outline.attributes("title"))
        == 1
    )
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    identifiers = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    assert all(table["aria-labelledby"] in identifiers for table in outline.attributes("table"))
    assert all(cell.get("scope") in {"col", "row"} for cell in outline.attributes("th"))


@ALL
def test_a_page_loads_nothing_but_its_own_style_sheet(text: str) -> None:
    outline = Outline(text)
    assert outline.attributes("link") == [{"rel": "stylesheet", "href": "/static/style.css"}]
    assert not {tag for tag, _ in outline.tags} & {"script", "style", "img", "iframe", "form", "object"}
    assert not [attributes for _, attributes in outline.tags if "style" in attributes]
    assert "://" not in text
    assert "url(" not in pages.style()


def test_what_people_wrote_is_shown_and_never_run() -> None:
    attack = '<script>alert("1")</script>'
    held = replace(views.STALLED, reason=attack, message=attack)
    entry = replace(views.ENTRY, actor=attack, detail=attack, reasons=(attack,))
    gate = replace(views.GATES[0], gate=attack, evidence=attack)
    build = replace(views.FAILED, failure=attack, reasons=(attack,), conditions=(held,), gates=(gate,))
    image = replace(
        views.PAYMENTS, detail=attack, reasons=(attack,), state=attack, team=attack, conditions=(held,)
    )
    detail = replace(views.DETAIL, image=image, builds=(build,), journal=(entry,))
    text = pages.image(detail) + pages.fleet(ImagePage(images=(image,), next=attack))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    "attack",
    ['<script>alert("1")</script>', "</code><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "' onclick='x"],
)
def test_a_poisoned_message_is_shown_and_never_run(attack: str) -> None:
    record = replace(views.POISON, text=attack, error=attack, queue=attack, closed_by=attack)
    text = pages.poison((replace(record, closed_at=views.NOW),), attack)
    Outline(text)
    assert not re.search("<(script|img)", text)
    assert text.count(str(markupsafe.escape(attack))) >= 4


def test_the_poison_page_says_what_is_known_and_what_to_do() -> None:
    assert views.POISON.key in POISON
    assert 'href="/images/payments-api"' in POISON
    assert "its handler failed" in POISON
    assert "not whole: 48000 bytes; cannot be sent again" in POISON
    assert "dismissed</span> by Admin" in POISON
    assert 'href="/poison?after=k2"' in POISON
    assert "imagefactory poison requeue KEY" in POISON
    long = replace(views.POISON, text="<" * 8_000)
    assert len(pages.poison((long,), None)) < 8_000


def test_an_image_and_its_builds_show_what_holds_them() -> None:
    before, after = HELD[: HELD.index('id="builds"')], HELD[HELD.index('id="builds"') :]
    for part in (before, after):
        assert 'mark bad">Stalled' in part
        assert "a message of build-steps could not be handled" in part
    assert "Conditions" not in IMAGE
    listed = pages.fleet(replace(views.PAGE, images=(replace(views.PAYMENTS, conditions=(views.STALLED,)),)))
    assert 'mark bad">Stalled' in listed


def test_the_journal_and_the_poison_show_who_it_was() -> None:
    entry = replace(views.ENTRY, actor="Sam", identity="user:5a@te")
    page = pages.image(replace(views.DETAIL, journal=(entry,)))
    assert "<td>Sam <code>user:5a@te</code></td>" in page
    record = replace(views.POISON, closed_by="Sam", closed_identity="user:5a@te", closed_at=views.NOW)
    assert "by Sam <code>user:5a@te</code>, " in pages.poison((record,), None)


def test_the_page_of_an_image_says_who_granted_each_waiver_and_until_when() -> None:
    line = "private-key /opt/app/test.pem (granted by Admin (user:1) on 2026-11-21 until 2027-01-31)"
    gate = Verdict(gate="hygiene", passed=True, evidence="1 waived", waived=(line,))
    build = replace(views.FAILED, gates=(gate,))
    assert f"waived: {line}" in pages.image(replace(views.DETAIL, builds=(build,)))
