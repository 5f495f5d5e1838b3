"""`python -m local.host`: runs a function app until SIGTERM or SIGINT. The exit code is 1 if the app cannot be run."""

import argparse
import asyncio
import functools
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from local import ports
from local.host import app_settings, host_json, table
from local.host.assembly import Host, HostPlan
from local.host.errors import HostError

_QUIET = ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "uvicorn.error", "httpx")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the host with the options of the command line. Returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return _run(options)
    except HostError as error:
        print(f"The function app cannot be run: {error}.", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    app_folder: Path = options.app_dir.resolve()
    announce = options.announce.resolve() if options.announce else None
    folder = (options.folder or (announce.parent if announce else app_folder / ".host")).resolve()
    lines = (
        options.invocations.open("a", encoding="utf-8", buffering=1) if options.invocations else sys.stdout
    )
    if options.settings:
        for name in app_settings.load_settings(options.settings, os.environ):
            print(f"The setting {name} is already in the environment. The file's value is not used.")
    try:
        listener = ports.listen(options.port)
    except OSError as error:
        raise HostError(f"port {options.port} cannot be used: {error.strerror}") from error
    os.chdir(app_folder)  # as the real worker does; every path above is absolute already
    functions = _load_functions(app_folder)
    if functions is None:
        return 1
    plan = HostPlan(
        functions=functions,
        options=host_json.read_host_options(app_folder / "host.json", os.environ),
        environment=os.environ,
        folder=folder,
        lease=timedelta(seconds=options.lease_seconds),
        grace=timedelta(seconds=options.grace_seconds),
        announce=announce,
        write_line=functools.partial(_write_line, lines),
    )
    is_clean = asyncio.run(_serve(plan, listener))
    if not is_clean:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # nothing else ends a function's thread; its message comes back
    return 0


def _load_functions(folder: Path) -> tuple[table.Function, ...] | None:
    """The app's functions. None if its import failed; the error is then printed."""
    try:
        app = table.load_app(folder)
    except HostError:
        raise
    except Exception:  # an error during the import belongs to the app, and is shown whole
        print("The function app cannot be imported. No function is registered:", file=sys.stderr)
        traceback.print_exc()
        return None
    try:
        return table.index_functions(app, os.environ)
    except ValueError as error:
        raise HostError(f"the functions cannot be indexed: {error}") from error


async def _serve(plan: HostPlan, listener: socket.socket) -> bool:
    host = Host(plan)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, host.stop)
    return await host.serve(listener)


def _write_line(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


def _seconds(lowest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if value < lowest:
            raise argparse.ArgumentTypeError(f"at least {lowest:g}")
        return value

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--app-dir", type=Path, required=True, help="the folder with function_app.py")
    parser.add_argument("--settings", type=Path, help="settings in the form of local.settings.json")
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: a free one)")
    parser.add_argument("--announce", type=Path, help="file that gets pid, url and key once it serves")
    parser.add_argument(
        "--folder", type=Path, help="the folder of the timers' status files (default: beside --announce)"
    )
    parser.add_argument("--invocations", type=Path, help="file for the invocation lines (default: output)")
    parser.add_argument(
        "--lease-seconds",
        type=_seconds(2),
        default=15.0,
        help="seconds until a message of a dead host comes back (default 15; the real host: 600)",
    )
    parser.add_argument(
        "--grace-seconds",
        type=_seconds(0),
        default=10.0,
        help="seconds that a stop waits for running functions",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
