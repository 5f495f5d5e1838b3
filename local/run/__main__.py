"""`python -m local.run`: the main job, end to end, on this machine. Exit status 0 only if the run kept its promises."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from azure.core.exceptions import AzureError
from rich.console import Console

from imagefactory.failures import CommandFailure
from local import azurite, processes, real_packer
from local.arm import launch
from local.real_packer import RealPacker
from local.run import folder as run_folder
from local.run import report, scenarios, stack, watch
from local.run.demonstration import FOLDER
from local.run.news import LOOK_EVERY, HostNews
from local.run.progress import Progress
from local.run.scenarios import Scenario
from local.run.story import Story, StoryError
from local.run.watch import PartDiedError

_WIDTH = 170  # columns if the output is not a terminal
_REAL_BOUND = 600.0  # seconds that a part of the story may take if every build is a real run of Packer


def main() -> int:
    """Run the story. The last line of standard output is one JSON object."""
    options = _parser().parse_args()
    if options.list_scenarios:
        print(scenarios.listing())
        return 0
    try:
        scenario = scenarios.find(options.scenario)
    except scenarios.UnknownScenarioError as error:
        print(f"The run cannot begin: {error}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, _interrupt
        )  # SIGINT too, if a shell made us ignore it; SIGHUP: its terminal is closed
    os.environ.update(stack.direct(os.environ))
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    try:
        folder = run_folder.make()
    except (run_folder.NoSpaceError, OSError) as error:
        print(f"The run cannot begin: {error}", file=sys.stderr)
        return 2
    code, keeps = 1, True
    try:
        code = _run(options, folder.path, console, scenario)
        keeps = bool(options.keep_folder) or code != 0
    except KeyboardInterrupt:
        console.print("stopped: every started program has ended", style="yellow")
        code, keeps = 130, bool(options.keep_folder)
    except (azurite.AzuriteMissingError, real_packer.RealPackerError) as error:
        print(f"The factory could not be started: {error}", file=sys.stderr)
        code, keeps = 2, bool(options.keep_folder)
    except (processes.StartFailedError, launch.ArmDidNotStart) as error:
        print(f"The factory could not be started: {_with_lack(error, folder.path)}", file=sys.stderr)
        code = 2
    except (StoryError, CommandFailure, PartDiedError) as error:
        print(f"The run failed: {_with_lack(error, folder.path)}", file=sys.stderr)
    except (OSError, ValueError, AzureError) as error:
        # A call of the run itself failed: to Azurite, to the emulator, or a write of a file.
        text = f"{type(error).__name__}: {error}"
        print(f"The run failed: {_with_lack(text, folder.path)}", file=sys.stderr)
    finally:
        if keeps:
            folder.keep()
            print(f"Logs of this run are kept in {folder.path}", file=sys.stderr)
        else:
            folder.remove()
    return code


def _with_lack(error: object, folder: Path) -> str:
    """The failure, behind the lack of space where this is what caused it: a full disk ends programs without a word."""
    lacking = run_folder.find_lack(folder)
    return f"{lacking} ({error})" if lacking else str(error)


def _run(options: argparse.Namespace, folder: Path, console: Console, scenario: Scenario) -> int:
    started = time.monotonic()
    with Progress(console) as progress:
        progress.say("starting Azurite, the ARM emulator and the Functions host")
        file = folder / "scenario.json"
        file.write_text("{}", encoding="utf-8")
        packer = _packer(progress)
        bodies = options.record_bodies and options.record_bodies.resolve()
        with (
            stack.running(folder, scenario=file, packer=packer, record_bodies=bodies) as running,
            watch.watching(running.parts),
        ):
            story = Story(
                stack=running,
                watch=progress.show,
                scenario=file,
                look_every=LOOK_EVERY,
                pause=HostNews(log=running.host.log).wait,
            )
            if packer is not None:
                story.bound = _REAL_BOUND
            progress.say(
                "registering the platform steps and seven images, with the catalog of a demonstration"
            )
            story.register()
            progress.say("first builds: parents before children")
            story.wait_for_first_builds()
            scenario.play(story, progress.say)
            left = story.wait_until_quiet()
            seconds = time.monotonic() - started
            ran = _packer_facts(packer)
            outcome = report.conclude(story, left=left, seconds=seconds, packer=ran, scenario=scenario)
            report.print_table(console, story, outcome)
            if options.keep:
                _serve(console, running, outcome)
    print(json.dumps(outcome.facts), flush=True)
    return 1 if outcome.problems else 0


def _packer(progress: Progress) -> RealPacker | None:
    """The Packer that the builders run here. None is the recorded Packer."""
    found = real_packer.find(os.environ)
    if found is None:
        progress.say(
            "Packer: recorded (no machine image is built; the calls of a build to Azure are emulated)"
        )
        progress.say(f"  {real_packer.why_none(os.environ)}")
    else:
        progress.say(f"{found}: real, on emulated machines, which record each command and run none")
    return found


def _packer_facts(packer: RealPacker | None) -> str | dict[str, str]:
    """Packer's facts for the last line of the run."""
    if packer is None:
        return real_packer.RECORDED
    return {"version": packer.packer_version, "plugin": packer.plugin_version}


def _serve(console: Console, running: stack.Stack, outcome: report.RunOutcome) -> None:
    """Keep serving until interrupted."""
    console.print(f"\nThe factory serves at {running.url} until you press Ctrl-C.")
    console.print(f"export IMAGEFACTORY_URL={running.url}", highlight=False)
    token = running.token("operator", roles=("Factory.Admin",))
    console.print(f"export IMAGEFACTORY_TOKEN={token}", highlight=False, soft_wrap=True)
    console.print("Then, in another terminal: .venv/bin/imagefactory list")
    console.print(
        f"To change an image and register it again, use this run's copies: {running.folder / FOLDER}"
    )
    control = running.folder / "arm" / "arm.json"
    console.print(f"To withdraw a release, deny a tag or break a call (local/README.md, Control): {control}")
    try:
        while True:  # until Ctrl-C, or until a program of the run ends
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopping")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.run", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep serving after the story, until Ctrl-C")
    parser.add_argument(
        "--scenario",
        default="release",
        metavar="NAME",
        help="which story (see --list-scenarios; default release)",
    )
    parser.add_argument("--list-scenarios", action="store_true", help="list the stories and run none of them")
    parser.add_argument(
        "--record-bodies", type=Path, metavar="FILE", help="append each body sent to ARM, as a line of JSON"
    )
    parser.add_argument("--keep-folder", action="store_true", help="keep the run's folder with its logs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
