"""Progress for a person: a live table on a terminal, or else one line per change."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_PHASES = {
    "pending": "queued",
    "building": "Packer builds",
    "verifying": "boots and tests",
    "publishing": "publishes",
}


class Progress:
    """Shows the facts that it gets. It decides nothing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None
        self._started = time.monotonic()
        self._title = ""
        self._seen: dict[str, tuple[str, str, str]] = {}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Begin a part of the story."""
        self._title = text
        self._console.print(Text(f"{self._seconds():5.1f} s  {text}", style="bold cyan"))

    def show(self, images: Mapping[str, Any]) -> None:
        """Show the present state of the images."""
        if self._live is not None:
            self._live.update(self._table(images))
            return
        for name, view in images.items():
            now = (view["version"], view["active_phase"], view["state"])
            if self._seen.get(name) != now:
                self._seen[name] = now
                self._console.print(f"{self._seconds():5.1f} s  {name:14} {_describe(view)}", highlight=False)

    def _table(self, images: Mapping[str, Any]) -> Table:
        table = Table(title=f"{self._title}  ({self._seconds():.0f} s)", title_justify="left", expand=False)
        for heading in ("image", "parent", "version", "now"):
            table.add_column(heading, min_width=14)
        for name, view in images.items():
            style = "green" if view["state"] == "current" and not view["active_build"] else "yellow"
            table.add_row(
                name, view["parent"] or view["source"], view["version"], Text(_describe(view), style)
            )
        return table

    def _seconds(self) -> float:
        return time.monotonic() - self._started


def _describe(view: Mapping[str, Any]) -> str:
    if view["active_phase"]:
        return str(_PHASES.get(view["active_phase"], view["active_phase"]))
    if view["state"] == "current":
        return f"current at {view['version']}"
    return f"{view['state']} {view['detail']}".strip()
