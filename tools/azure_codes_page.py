"""`python -m tools.azure_codes_page`: writes the table of `docs/azure-codes.md` anew from the module that decides.

The text around the table is written by hand. A test holds the page to the table.
"""

from pathlib import Path

from pipeline_core.domain.azure_code import AzureCode
from pipeline_core.domain.azure_code_table import ROWS

PAGE = Path("docs/azure-codes.md")
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"
_HEAD = "| code | class | holds only if | source |\n|---|---|---|---|\n"


def render() -> str:
    """The rows as Markdown, by service and code."""
    services = list(dict.fromkeys(row.service for row in ROWS))
    return "\n".join(f"### {service}\n\n{_HEAD}{_lines_of(service)}" for service in services)


def replaced(page: str) -> str:
    """The page with the table of now between its marks. Raises ValueError where a mark is missing."""
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    if not table or not after:
        raise ValueError(f"{PAGE}: the marks of the table are missing: put {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


def _lines_of(service: str) -> str:
    rows = sorted((row for row in ROWS if row.service == service), key=_place)
    return "".join(f"| `{row.code}` | {_class(row)} | {_condition(row)} | {_source(row)} |\n" for row in rows)


def _place(row: AzureCode) -> tuple[str, bool, bool]:
    return row.code, not row.words, row.occasion is None


def _class(row: AzureCode) -> str:
    if row.error_class is None:
        return "the code inside decides"
    return f"`{row.error_class.value}`, vague" if row.is_vague else f"`{row.error_class.value}`"


def _condition(row: AzureCode) -> str:
    words = " or ".join(f'"{word.strip()}"' for word in row.words)
    where = "" if row.occasion is None else f"met in a {row.occasion.value}"
    return "; ".join(part for part in (words and f"the message has {words}", where) if part)


def _source(row: AzureCode) -> str:
    return row.source or "unconfirmed"


if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
