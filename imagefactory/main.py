"""The command line: options and commands. Each command reads its arguments, calls one thing, shows the outcome."""

import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from imagefactory import about, folders, options, registration, screen, verification, waiting
from imagefactory.commands import (
    approvals,
    bundles,
    catalog,
    evidence,
    history,
    names,
    notify,
    pause,
    platform,
    poison,
    policy,
    retention,
    sources,
    state,
    versions,
    waivers,
)
from imagefactory.connection import Json
from imagefactory.failures import CommandFailure, Exit, Misused, place_of
from imagefactory.registration import ExpectedVersion
from imagefactory.screen import Format
from imagefactory.waiting import Patience
from pipeline_core.domain import texts
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument

_EPILOG = "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 factory or sign-in not reachable, 4 fault."


class _Group(TyperGroup):
    """Ends a failed command with its text and its exit code, and never with a traceback of ours."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TyperException as error:  # wrong usage: it repeats an argument as it was given
            error.message = texts.cleaned(error.message, keeping=texts.LINES)
            raise
        except InvalidDocument as error:
            count = len(error.problems)
            screen.failure(f"{count} thing{'s are' if count > 1 else ' is'} wrong", error.problems)
            raise typer.Exit(Exit.REFUSED) from error
        except CommandFailure as error:
            screen.failure(str(error), error.problems)
            raise typer.Exit(error.exit) from error
        except UnicodeEncodeError as error:
            screen.failure("an argument or a name of a file is not UTF-8: rename it, or write it in UTF-8")
            raise typer.Exit(Exit.USAGE) from error
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            # What is raised where an answer has another shape. The traceback holds tokens, so it is not shown.
            text = "an answer of the factory, or the command itself, has a fault"
            screen.failure(f"{text} ({place_of(error)}): use the command and the factory of one release")
            raise typer.Exit(Exit.FAULT) from error


app = typer.Typer(
    name="imagefactory",
    cls=_Group,
    help="Golden images that stay fresh: check, register, rebuild and look at them.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a pretty traceback shows local variables, and so tokens
)
builds = typer.Typer(help="Builds.", no_args_is_help=True)
app.add_typer(builds, name="builds")
app.add_typer(platform.commands, name="platform")
app.add_typer(approvals.commands, name="approvals")
app.add_typer(bundles.commands, name="bundles")
app.add_typer(catalog.commands, name="catalog")
app.add_typer(names.commands, name="names")
app.add_typer(notify.commands, name="notify")
app.add_typer(poison.commands, name="poison")
app.add_typer(policy.commands, name="policy")
app.add_typer(retention.commands, name="retention")
app.add_typer(sources.commands, name="sources")
app.add_typer(state.commands, name="state")
app.add_typer(versions.commands, name="versions")
app.add_typer(waivers.commands, name="waivers")
app.add_typer(versions.galleries, name="galleries")
app.command()(verification.verify)
for _command in (
    evidence.evidence,
    evidence.diff,
    evidence.sbom,
    pause.retry,
    pause.pause,
    pause.resume,
    approvals.approve,
    approvals.bases,
):
    app.command()(_command)


def _show_release(wanted: bool) -> None:
    if wanted:
        screen.say(about.release())
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_release, is_eager=True, help="Show the release and exit."),
    ] = False,
) -> None:
    pass


_Folder = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The folder with image.yaml.")
]
_Url = options.Url
_CaFile = options.CaFile
_Output = options.Output
_client = options.client_of
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The image.")]


@app.command()
def validate(
    folder: _Folder,
    output: _Output = Format.TABLE,
    platform: Annotated[
        bool, typer.Option("--platform", help="DIR holds platform/, roles/ and catalog.json (SecOps).")
    ] = False,
) -> None:
    """Check a folder as the factory will, without a connection to it; lists every error at once."""
    try:
        checked = folders.check(folder, platform=platform)
    except InvalidDocument as error:
        if output is Format.JSON:
            screen.write_json({"valid": False, "problems": [screen.as_json(each) for each in error.problems]})
            raise typer.Exit(Exit.REFUSED) from error
        raise
    name, bundle = checked.name, checked.bundle
    if output is Format.JSON:
        screen.write_json({"valid": True, "name": name, "bundle": str(bundle.digest), "problems": []})
        return
    count = len(bundle.names)
    screen.say(f"{name} is valid: {count} {'file' if count == 1 else 'files'}, bundle {bundle.digest}")


@app.command()
def pack(
    folder: _Folder,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: DIGEST.tar.gz here.")
    ] = None,
) -> None:
    """Pack a checked folder into a bundle; prints its digest."""
    bundle = folders.load_image(folder).bundle
    target = output or Path(f"{bundle.digest}.tar.gz")
    try:
        target.write_bytes(bundle.content)
    except OSError as error:
        raise Misused(f"{target} cannot be written: {error.strerror}") from error
    screen.say(str(bundle.digest))
    screen.note(f"wrote {len(bundle.names)} files to {target}")


@app.command()
def register(
    folder: _Folder,
    url: _Url = "",
    ca_file: _CaFile = "",
    create: Annotated[bool, typer.Option("--create", help="Only if the image is new.")] = False,
    if_match: Annotated[
        str, typer.Option("--if-match", metavar="ETAG", help="Only over this version, as `show` prints it.")
    ] = "",
    output: _Output = Format.TABLE,
) -> None:
    """Check a folder, upload it and register it; by default over the version that the factory has now."""
    if create and if_match:
        raise Misused("--create and --if-match exclude each other: give one")
    loaded = folders.load_image(folder)
    done = registration.register(_client(url, ca_file), loaded, ExpectedVersion(create=create, etag=if_match))
    if output is Format.JSON:
        screen.write_json({**done.image, "created": done.created, "etag": done.etag})
        return
    screen.say(f"{'registered' if done.created else 'updated'} {loaded.definition.name}, version {done.etag}")
    for note in done.image.get("notes", ()):  # a factory of an older release sends none
        screen.note(f"note: {note}")
    for each in done.image.get("fixed") or ():  # an older factory does not say it
        screen.note(f"fixed by its first build: {each['name']} {each['value']}; change: {each['change']}")


@app.command("list")
def list_images(
    url: _Url = "",
    ca_file: _CaFile = "",
    team: Annotated[str | None, typer.Option("--team", help="Only this team's.")] = None,
    output: _Output = Format.TABLE,
) -> None:
    """List images with version and state."""
    pages = list(_client(url, ca_file).list_pages(team))
    found = [image for page in pages for image in page["images"]]
    pause.warn(pages[0].get("paused"))
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            image["name"],
            image["team"],
            image["parent"] or image["source"],
            image["version"],
            image["state"],
            [*_held(image), *filter(None, [image["detail"]])],
        )
        for image in found
    ]
    screen.table(f"{len(rows)} images", ("image", "team", "built from", "version", "state", "why"), rows)


@app.command()
def show(name: _Name, url: _Url = "", ca_file: _CaFile = "", output: _Output = Format.TABLE) -> None:
    """Show an image: its facts, the decision about it as of now, its builds and its journal."""
    image, etag = _client(url, ca_file).get_image(name)
    pause.warn(image.get("paused"))
    if output is Format.JSON:
        screen.write_json({**image, "etag": etag})
        return
    plain = {
        key: value for key, value in image.items() if key not in ("builds", "journal", "conditions", "paused")
    }
    screen.facts(name, {**plain, "conditions": _held(image), "etag": etag})
    rows = [
        (build["id"], build["phase"], build["result"], build["version"], build["reasons"], _gates(build))
        for build in image["builds"]
    ]
    columns = ("build", "phase", "result", "version", "reasons", "gates (* simulated)")
    screen.table("builds, newest first", columns, rows)
    lines = [
        (
            entry["at"],
            entry["event"],
            screen.who(entry["actor"], entry.get("identity")),
            entry["version"],
            entry["detail"],
        )
        for entry in image["journal"]
    ]
    screen.table("journal, newest first", ("at", "event", "who", "version", "detail"), lines)


app.command("history")(history.history)
builds.command("list")(history.list_builds)


@app.command()
def rebuild(
    name: _Name,
    url: _Url = "",
    ca_file: _CaFile = "",
    reason: Annotated[
        str, typer.Option("--reason", help="For the journal.")
    ] = "requested with imagefactory rebuild",
    key: Annotated[
        str, typer.Option("--key", help="The same key is the same request, however often it is sent.")
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the build; exit 1 unless it succeeds.")
    ] = False,
    limit: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait at most.")] = 4 * 3600.0,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks.")] = 5.0,
    output: _Output = Format.TABLE,
) -> None:
    """Build an image again although nothing has changed."""
    client = _client(url, ca_file)
    answer = client.request_build(name, reason, key or uuid.uuid4().hex)
    if wait:
        patience = Patience(limit=limit, every=every, report=screen.note)
        answer = {**answer, "finished": waiting.await_build(client, name, answer["build"], patience)}
    if output is Format.JSON:
        screen.write_json(answer)
        return
    screen.say(f"{name}: {answer['build'] or 'no build yet'} ({answer['why']}: {answer['detail']})")
    if wait:
        screen.say(f"{answer['finished']['id']} succeeded: version {answer['finished']['version']}")


@app.command()
def cancel(
    identity: Annotated[str, typer.Argument(metavar="BUILD", help="The build.")],
    url: _Url = "",
    ca_file: _CaFile = "",
    reason: Annotated[
        str, typer.Option("--reason", help="For the journal.")
    ] = "cancelled with imagefactory cancel",
    output: _Output = Format.TABLE,
) -> None:
    """Stop a build. What it made is removed, and its input is not built again until somebody asks for it."""
    build = _client(url, ca_file).cancel_build(options.build_of(identity), reason)
    if output is Format.JSON:
        screen.write_json(build)
        return
    going = f"stops (it is {build['phase']}); what it made is being removed"
    screen.say(f"{identity} {'is cancelled' if build['result'] else going}")


@builds.command("show")
def show_build(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The build.")],
    url: _Url = "",
    ca_file: _CaFile = "",
    output: _Output = Format.TABLE,
) -> None:
    """Show a build: where it is, why it was started, what each gate said, how it ended."""
    build = _client(url, ca_file).get_build(options.build_of(identity))
    if output is Format.JSON:
        screen.write_json(build)
        return
    plain = {key: value for key, value in build.items() if key != "gates"}
    screen.facts(identity, {**plain, "conditions": _held(build)})
    screen.gates(build.get("gates", ()))


@app.command()
def lineage(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only what is above and below this image.")
    ] = None,
    url: _Url = "",
    ca_file: _CaFile = "",
    output: _Output = Format.TABLE,
) -> None:
    """Show who is built from whom."""
    forest = _client(url, ca_file).get_lineage(name)
    if output is Format.JSON:
        screen.write_json(forest)
        return
    screen.forest(forest)


@app.command()
def schema() -> None:
    """Print the JSON schema of image.yaml, for editors."""
    screen.write_json(image_yaml.json_schema())


def _held(shown: Json) -> list[str]:
    """The conditions of an image or a build, as lines; a factory of an older release sends none."""
    return [f"{each['type']}: {each['message']}" for each in shown.get("conditions", ())]


def _gates(build: Json) -> str:
    return screen.marks(build.get("gates", ()))


if __name__ == "__main__":
    sys.exit(app())
