"""`imagefactory platform`: the platform steps and the catalog, their trial on named images, and what a change costs."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from imagefactory import folders, options, registration, screen
from imagefactory.commands import catalog
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused, Misused
from imagefactory.screen import Format
from imagefactory.waiting import Patience

commands = typer.Typer(help="Platform steps and catalog (SecOps).", no_args_is_help=True)

_Folder = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The folder with platform/.")
]
_DropUsed = Annotated[
    bool, typer.Option("--drop-used", help="Take tools out of the catalog that images still name.")
]
_Canaries = Annotated[
    list[str],
    typer.Option("--canary", metavar="IMAGE", help="Try the steps on this image alone; may be repeated."),
]


_Bundle = Annotated[
    str,
    typer.Option(
        "--bundle", metavar="DIGEST", help="Only if this bundle is on trial; its first 8 letters are enough."
    ),
]
_START = re.compile("[0-9a-f]{8,64}")


@commands.command("register")
def register(
    folder: _Folder,
    canaries: _Canaries = [],  # noqa: B006 - typer never changes it
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only print what it would rebuild, how long, and what is refused now."
        ),
    ] = False,
    drop_used: _DropUsed = False,
    submit: Annotated[
        bool, typer.Option("--submit", help="First bring the files of the catalog, and wait for them.")
    ] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Put platform/, roles/ and catalog.json of DIR in force. A change makes every image stale.

    A catalog with a file that is not admitted is refused: --submit does what `catalog submit --wait` does first.

    With --canary, the steps are tried on the named images alone, in place of a trial that runs; all others keep those
    in force. A catalog without a tool that images name is refused. With --drop-used it is accepted: then no change
    reaches those images, and they say so.

    --dry-run uploads nothing, so a registration may still be refused for what is inside platform/ and roles/.
    """
    named = [options.image_of(each) for each in canaries]
    if named and drop_used:
        raise Misused("--drop-used has no use with --canary: say it when the trial is promoted")
    if submit and dry_run:
        raise Misused("--submit has no use with --dry-run, which needs no file")
    loaded, client = folders.load_platform(folder), options.client_of(url, ca_file)
    if dry_run:
        plan = client.plan_platform(loaded.catalog, loaded.bundle, named)
        _show(plan, _plan_lines(str(loaded.bundle.digest), plan), output)
        return
    if submit:
        patience = Patience(limit=3600.0, every=15.0, report=screen.note)
        catalog.demand_good(catalog.bring(client, folder, [], None, patience))
    answer = registration.register_platform(client, loaded, drop_used=drop_used, canaries=named)
    _show(answer, _lines(answer), output)


@commands.command("show")
def show(url: options.Url = "", ca_file: options.CaFile = "", output: options.Output = Format.TABLE) -> None:
    """Show what is in force, and what is on trial on which images."""
    answer = options.client_of(url, ca_file).get_platform()
    _show(answer, _lines(answer), output)


@commands.command("promote")
def promote(
    bundle: _Bundle = "",
    drop_used: _DropUsed = False,
    untried: Annotated[
        bool, typer.Option("--untried", help="Do not wait for canaries that have no version with the steps.")
    ] = False,
    over_newer: Annotated[
        bool,
        typer.Option("--over-newer", help="Take back what was put in force after the trial had begun."),
    ] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Put the steps on trial in force. Canaries that were built with them are current; all others become stale.

    With --bundle it may be repeated after a lost answer: where that bundle is in force, nothing is changed.
    """
    client, start = options.client_of(url, ca_file), _start_of(bundle)
    shown = client.get_platform()
    digest = _meant(shown, start, [shown["bundle"]], "in force")
    answer = client.promote_trial(digest, drop_used=drop_used, untried=untried, over_newer=over_newer)
    _show(answer, _lines(answer), output)


@commands.command("end-trial")
def end_trial(
    bundle: _Bundle = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Give the steps on trial up. Their canaries go back to those in force.

    With --bundle it may be repeated after a lost answer: where that trial was given up, nothing is changed.
    """
    client, start = options.client_of(url, ca_file), _start_of(bundle)
    shown = client.get_platform()
    answer = client.end_trial(_meant(shown, start, shown.get("given_up", []), "given up"))
    _show(answer, _lines(answer), output)


def _start_of(bundle: str) -> str:
    if bundle and not _START.fullmatch(bundle):
        raise Misused(f"--bundle: {bundle!r} is not a digest: give 8 to 64 of its first letters, 0-9 and a-f")
    return bundle


def _meant(shown: Json, start: str, decided: Sequence[str], what: str) -> str:
    """The bundle on trial; or one that starts so and was decided already, for a command that is repeated.

    The factory changes nothing where it was decided, and refuses a bundle that is on trial no more.
    """
    trial = shown.get("trial")
    on_trial = [str(trial["bundle"])] if trial else []
    if not start:
        if not on_trial:
            raise CommandRefused(
                "no platform steps are on trial: begin a trial with `platform register --canary`"
            )
        return on_trial[0]
    found = sorted({each for each in (*on_trial, *decided) if each.startswith(start)})
    if len(found) > 1:
        raise CommandRefused(f"{len(found)} bundles start with {start}: give more of the digest")
    if not found:
        now = f"{on_trial[0]} is" if on_trial else "nothing is"
        raise CommandRefused(f"no bundle that starts with {start} is on trial or {what}: {now} on trial")
    return found[0]


def _show(answer: Json, lines: Iterator[str], output: Format) -> None:
    if output is Format.JSON:
        screen.write_json(answer)
        return
    for line in lines:
        screen.say(line)


def _lines(answer: Json) -> Iterator[str]:
    """What is in force and on trial; a factory of an older release sends no trial."""
    yield f"in force: platform {answer['bundle']}, catalog {_names(answer['catalog'])}"
    trial = answer.get("trial")
    if trial:
        yield (
            f"on trial: platform {trial['bundle']}, catalog {_names(trial['catalog'])}, since"
            f" {trial['since'][:16].replace('T', ' ')} UTC"
        )
        for each in trial["canaries"]:
            yield f"  {each['image']}: {each['state']}"


def _names(tools: Sequence[str]) -> str:
    return ", ".join(tools) or "empty"


def _plan_lines(bundle: str, plan: Json) -> Iterator[str]:
    yield f"plan: platform {bundle}; nothing is changed"
    waves = ", ".join(map(str, plan["waves"])) or "none"
    yield f"built again: {plan['rebuilt']} of {plan['registered']} images, in {len(plan['waves'])} waves ({waves})"
    if plan["stale"]:
        yield f"of these, {plan['stale']} are stale without the change too"
    yield f"machine-minutes: {_minutes(plan, 'machine_seconds')}"
    yield f"elapsed: {_minutes(plan, 'elapsed_seconds')}, if all {plan['slots']} slots are for these builds"
    if plan["measured"]:
        yield (
            f"from: what the recent builds of {plan['measured']} of these images took, from slot to end, waits included"
        )
    for count, what in (
        (plan["running"], "have a build of these inputs that runs"),
        (plan["without_tool"], "name a tool that is not in the catalog: no change reaches them"),
        (plan["unreadable"], "cannot be read, and are not counted"),
    ):
        if count:
            yield f"{count} {what}"
    for reason, count in plan["resting"].items():
        yield f"not built by itself ({reason}): {count}"
    yield from _meanwhile(plan)
    for each in plan.get("refusals", []):
        yield f"would be refused now: {each['path']}: {each['message']}; {each['remedy']}"


def _meanwhile(plan: Json) -> Iterator[str]:
    """What the lines of pending builds do while these are built."""
    if not plan["rebuilt"]:
        return
    yield f"meanwhile: the builds go in the security lane, longest chain first; {plan['busy']} slots are taken now"
    longest = plan["longest_seconds"]
    yield (
        "  a security change of these images goes into the builds that have not begun; one that runs ends first"
        f" ({'unknown how long' if longest is None else f'up to {_whole(longest)} minutes'})"
    )
    yield "  other lanes wait, but every fifth start is for a build that has waited for an hour"


def _minutes(plan: Json, key: str) -> str:
    """A length in minutes, and how far it is known."""
    missing = plan["rebuilt"] - plan["measured"]
    if not plan["rebuilt"]:
        return "0"
    if plan[key] is None:
        return "unknown: no recent build of these images was measured"
    return f"at least {_whole(plan[key])} ({missing} images unknown)" if missing else _whole(plan[key])


def _whole(seconds: int) -> str:
    return str(-(-seconds // 60))
