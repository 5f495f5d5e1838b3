"""Log lines kept in a list."""

from dataclasses import dataclass, field

Field = str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line."""

    event: str
    fields: dict[str, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLogs:
    """The lines in order."""

    lines: list[Line] = field(default_factory=list)

    def note(self, event: str, **fields: Field) -> None:
        """Keep one line."""
        self.lines.append(Line(event=event, fields=fields))

    def events(self) -> list[str]:
        """The events in order."""
        return [line.event for line in self.lines]
