"""`python -m tools.access_page`: writes the table of `docs/access.md` anew from the table that decides.

The text around the table is written by hand. A test holds the page to the table.
"""

from pathlib import Path

from pipeline_core.domain import access_table
from pipeline_core.domain.access_table import ApiOperation, CallerStanding, Rule, SubjectKind
from pipeline_core.wiring.factory import Factory
from triggers.api.app import routes_of

PAGE = Path("docs/access.md")
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"
_HEAD = "| ApiOperation | Address | Bases | Teams' images | No image |\n|---|---|---|---|---|\n"
_WORDS = {
    access_table.EVERYBODY: "everybody",
    access_table.READERS: "every role",
    access_table.TEAMS: "SecOps, every team",
    access_table.OWNERS: "SecOps, its team",
    access_table.OWNER_ALONE: "its team",
    access_table.SECOPS: "SecOps",
    access_table.OWNERS | {CallerStanding.READER}: "SecOps, its team, readers",
    access_table.SECOPS | {CallerStanding.READER}: "SecOps, readers",
}


def render() -> str:
    """The rows as Markdown, in the order of the table."""
    addresses = _addresses()
    lines = (_line(operation, rule, addresses[operation]) for operation, rule in access_table.TABLE.items())
    return _HEAD + "".join(lines)


def replaced(page: str) -> str:
    """The page with the table of now between its marks. Raises ValueError where a mark is missing."""
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    if not table or not after:
        raise ValueError(f"{PAGE}: the marks of the table are missing: put {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


def _addresses() -> dict[ApiOperation, str]:
    """Method and path of each operation; two where a page does the same as a route of the API."""
    found: dict[ApiOperation, list[str]] = {ApiOperation.READ_OPENAPI: ["`GET /api/openapi.json`"]}
    for route in routes_of(_nothing):
        for method in sorted(route.methods or ()):
            found.setdefault(ApiOperation(route.name), []).append(f"`{method} {route.path}`")
    return {operation: ", ".join(paths) for operation, paths in found.items()}


def _nothing() -> Factory:
    raise RuntimeError("routes are listed here, and no request is served")


def _line(operation: ApiOperation, rule: Rule, address: str) -> str:
    others = ", or those whom the policy names" if rule.by_policy else ""
    cells = [f"{_WORDS[rule.of(kind)]}{others}" if kind in rule.who else "" for kind in SubjectKind]
    return f"| {operation.value.replace('_', ' ')} | {address} | {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
