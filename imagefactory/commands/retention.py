"""`imagefactory retention`: what would be done about live versions, and why the others stay. It changes nothing."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

import typer

from imagefactory import options, screen
from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.screen import Format

commands = typer.Typer(help="Retention of live versions.", no_args_is_help=True)

_PAGES = 1000
_WORDS = {
    "keep": "stays",
    "exclude": "is excluded, deleted later",
    "wait": "is being deleted",
    "delete": "is deleted",
    "take-back": "was excluded, is taken back",
}
_COLUMNS = ("image", "version", "what happens", "why it stays")


@commands.callback()
def _options() -> None:
    pass


@commands.command("plan")
def plan(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The image; without it, all images.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Without NAME: also the versions that simply stay.")
    ] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Say what retention would do now: which versions are excluded or deleted, and why each other one stays."""
    client = options.client_of(url, ca_file)
    plans, failed, current = ([_of_image(client, name)], [], None) if name else _of_all(client)
    if output is Format.JSON:
        screen.write_json({"plans": plans, "failed": failed, "round": current})
        return
    rows = [
        row
        for each in plans
        for step in each["steps"]
        if (row := _row(each, step, whole=bool(name) or everything))
    ]
    going = sum(step["removal"] in ("exclude", "delete") for each in plans for step in each["steps"])
    screen.table(f"{going} of {_count(plans)} live versions are excluded or deleted next", _COLUMNS, rows)
    waiting = sum(each["waiting_for_use"] for each in plans)
    if waiting:
        screen.note(
            f"{waiting} more would go if their use were known: `keepInUse` is true, and no inventory says which "
            "versions machines use; `spec.retention.keepInUse: false` lets them go by number and age alone"
        )
    for each in failed:
        screen.note(f"{each['image']}: {each['message']}")
    if current is not None and not current["is_over"]:
        reached = f"has reached {current['after']}" if current["after"] else "has reached no image yet"
        screen.note(f"the round that began at {_moment(current['began_at'])} UTC {reached}")


def _of_image(client: Client, name: str) -> Json:
    return client.get(f"/api/images/{quote(name, safe='')}/retention")


def _of_all(client: Client) -> tuple[list[Json], list[Json], Json | None]:
    """The plans of every image, page by page, the images that failed, and the timer's round on the last page."""
    pages = [client.get("/api/retention?limit=50")]
    while pages[-1].get("next") and len(pages) < _PAGES:
        pages.append(client.get(f"/api/retention?limit=50&after={quote(pages[-1]['next'], safe='')}"))
    plans = [each for page in pages for each in page["plans"]]
    return plans, [each for page in pages for each in page["failed"]], pages[-1].get("round")


def _row(plan: Json, step: Json, *, whole: bool) -> tuple[str, str, str, list[str]] | None:
    """One line of the table; None for a version that simply stays, unless all are wanted."""
    if step["removal"] == "keep" and not whole:
        return None
    return plan["image"], step["version"], _words(step), [each["message"] for each in step["reasons"]]


def _words(step: Json) -> str:
    after = _moment(step["delete_after"] or "")
    if step["removal"] == "wait" and after:
        return f"is excluded, deleted after {after} UTC"
    return _WORDS.get(step["removal"], str(step["removal"]))


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _count(plans: Sequence[Json]) -> int:
    return sum(len(each["steps"]) for each in plans)
