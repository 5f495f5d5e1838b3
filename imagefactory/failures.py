"""How the command fails: in four ways, each with its own exit code for scripts. Prints nothing itself."""

import traceback
from collections.abc import Iterable
from enum import IntEnum, unique
from pathlib import Path

from pipeline_core.wire.problems import Problem


@unique
class Exit(IntEnum):
    """The exit code of the command."""

    DONE = 0  # what was asked for is done
    REFUSED = 1  # the folder, the factory or the build said no; the text says why
    USAGE = 2  # the command was called wrongly, or a setting is missing
    UNREACHABLE = 3  # the factory or the sign-in did not answer; try again later
    FAULT = 4  # the command has a fault, or the factory is of a release that it does not understand


class CommandFailure(Exception):
    """Ends the command; `problems` are shown one by one after the text."""

    exit = Exit.REFUSED

    def __init__(self, text: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(text)
        self.problems = tuple(problems)


class CommandRefused(CommandFailure):
    """The answer is no; `status` is the HTTP status, 0 where no factory was asked.

    `etag` is the version that a change may be made over although the thing itself cannot be shown; empty otherwise.
    """

    def __init__(
        self, text: str, problems: Iterable[Problem] = (), *, status: int = 0, etag: str = ""
    ) -> None:
        super().__init__(text, problems)
        self.status = status
        self.etag = etag


class Misused(CommandFailure):
    """An option or a setting is missing or contradicts another."""

    exit = Exit.USAGE


class Unreachable(CommandFailure):
    """No usable answer came."""

    exit = Exit.UNREACHABLE


def place_of(error: Exception) -> str:
    """Where an unexpected error was raised and what it says, in one line of at most 300 characters."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{type(error).__name__}: {' '.join(str(error).split())}"[:300]
