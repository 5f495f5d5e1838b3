"""Makes HTML from views. Every value is escaped and cleaned. A page loads only its own style sheet.

Knows the views and the domain, and no service that makes them. A value that is None is a dash on the page.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from pipeline_core.domain import texts
from pipeline_core.domain.byte_ranges import PART
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.poison import PoisonRecord
from pipeline_core.services.views.views import (
    BuildView,
    Compared,
    EvidenceView,
    ImageDetail,
    ImagePage,
    ImageView,
)

_FOLDER = Path(__file__).parent
_DASH = "-"  # as the command prints an absent value
_ELSEWHERE = "Built from images of other pages"
_NOWHERE = "Without a place"
_GOOD = frozenset({"current", "succeeded", "passed"})
_BAD = frozenset(
    {
        "failed",
        "blocked",
        "breaker-open",
        "unknown",
        "Stalled",
        "BreakerOpen",
        "Blocked",
        "BelowFloor",
        "SourceWithdrawn",
        "SourceSilent",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Images of a page that stand alike, as the title says: on one level, or below a parent of another page."""

    title: str
    images: tuple[ImageView, ...]


def fleet(page: ImagePage, *, banner: str = "") -> str:
    """The overview: running builds, then images by level."""
    return _render(
        "fleet.html",
        banner,
        levels=levels_of(page),
        running=[image for image in page.images if image.active_build],
        errors=page.misplaced,
        shown=len(page.images),
        total=page.total,
        next=page.next,
    )


def image(detail: ImageDetail, *, banner: str = "") -> str:
    """One image: facts, versions, builds, journal."""
    versions = [build for build in detail.builds if build.result == "succeeded"]
    return _render("image.html", banner, image=detail.image, detail=detail, versions=versions)


def build(shown: BuildView, kept: EvidenceView, *, banner: str = "") -> str:
    """One build: facts, the gates' decisions, and the kept files, which people download and no page shows."""
    return _render("build.html", banner, build=shown, evidence=kept, part=PART)


def comparison(found: Compared, *, banner: str = "") -> str:
    """What differs between two versions of an image."""
    return _render("diff.html", banner, found=found)


def poison(records: Sequence[PoisonRecord], following: str | None, *, banner: str = "") -> str:
    """Messages that could not be handled, newest first. The command sends them again or puts them aside.

    `following` is the cursor of the next page.
    """
    return _render("poison.html", banner, records=records, next=following)


@functools.cache
def style() -> str:
    """The style sheet."""
    return (_FOLDER / "static" / "style.css").read_text("utf-8")


def levels_of(page: ImagePage) -> tuple[Level, ...]:
    """The images of a page by level, roots first, then those whose root is not listed, then those without a place.

    A page knows the levels above an image as far as it lists them. Levels without an image are left out.
    """
    listed = {image.name: image for image in page.images}
    misplaced = {str(problem.image) for problem in page.misplaced}
    by_title: dict[str, list[ImageView]] = {"Bases": []}
    by_title |= {f"Level {number}": [] for number in range(1, MAX_DEPTH)}
    by_title |= {_ELSEWHERE: [], _NOWHERE: []}
    for image in page.images:
        by_title[_title_of(image, listed, misplaced)].append(image)
    return tuple(Level(title=title, images=tuple(images)) for title, images in by_title.items() if images)


def _title_of(image: ImageView, listed: Mapping[str, ImageView], misplaced: Collection[str]) -> str:
    here = image
    for level in range(MAX_DEPTH):
        if here.name in misplaced or (here.parent is None and here.source is None):
            return _NOWHERE
        if here.parent is None:
            return f"Level {level}" if level else "Bases"
        if here.parent not in listed:
            return _ELSEWHERE
        here = listed[here.parent]
    return _NOWHERE  # a cycle, or too deep: the sweep has not recorded it yet


def _render(template: str, banner: str, **values: object) -> str:
    """The page. No value reaches it with a character that turns or hides a text, whichever field it stands in.

    `banner` is a line about the whole factory that stands above each page; empty where there is none.
    """
    page = _templates().get_template(template).render(banner=banner, **values)
    return texts.cleaned(page, keeping=texts.LINES)


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: _DASH if value is None else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=_moment, short=_short, size=_size, tone=_tone)
    return environment


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _short(text: str) -> str:
    """The beginning of a digest, for people."""
    return text[:12]


def _size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count} B" if count < 1024 else f"{count / 1024:,.1f} KiB"


def _tone(state: str) -> str:
    """The class of a state's mark. The word is always shown too, so that no meaning depends on colour alone."""
    if state in _GOOD:
        return "good"
    return "bad" if state in _BAD else "busy"
