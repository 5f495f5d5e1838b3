"""Operators' documents give only commands of azure-cli that the emulator answers, or that plainly need Azure."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[4]
READMES = tuple(CHECKOUT / folder / "README.md" for folder in ("", "infra", "local"))
DOCUMENTS = (
    *sorted((CHECKOUT / "docs").glob("*.md")),
    *sorted((CHECKOUT / "docs/runbooks").glob("*.md")),
    *READMES,
)
CODE = (
    *sorted((CHECKOUT / "imagefactory").rglob("*.py")),
    *sorted((CHECKOUT / "pipeline_core").rglob("*.py")),
)
TABLE = CHECKOUT / "docs" / "strictness.md"
RECORDED = CHECKOUT / "tests" / "golden" / "azure" / "newest_sdk_calls.txt"
# A command: `az` in code or at the start of a line, and words. Options, places and the end of the line end it.
COMMAND = re.compile(r"(?:`|\$ |\| |args 1 |^ *)az((?: [a-z][a-z-]+)+)", re.MULTILINE)
ROW = re.compile(r"\| `(az [a-z -]+)` \| (emulated|needs Azure) \| ([^|]+) \|")


def given(text: str) -> set[str]:
    """The commands of a document, each as its first words."""
    return {" ".join(["az", *words.split()]) for words in COMMAND.findall(text)}


def listed() -> dict[str, tuple[str, str]]:
    """The commands of the table, where they work, and the calls."""
    return {command: (where, calls) for command, where, calls in ROW.findall(TABLE.read_text("utf-8"))}


def test_every_documented_command_is_listed() -> None:
    known = listed()
    unknown = {
        f"{file.relative_to(CHECKOUT)}: {command}"
        for file in (*DOCUMENTS, *CODE)
        if file != TABLE
        for command in given(file.read_text("utf-8"))
        if not any(f"{command} ".startswith(f"{each} ") for each in known)
    }
    assert unknown == set()


def test_every_listed_command_is_documented() -> None:
    texts = [given(file.read_text("utf-8")) for file in (*DOCUMENTS, *CODE) if file != TABLE]
    there = {command for text in texts for command in text}
    assert {each for each in listed() if not any(f"{one} ".startswith(f"{each} ") for one in there)} == set()


def test_what_an_emulated_command_asks_for_was_recorded_and_succeeded() -> None:
    lines = (line for line in RECORDED.read_text("utf-8").splitlines() if not line.startswith("#"))
    outcomes = dict(line.rsplit(": ", 1) for line in lines)
    emulated = {command: calls for command, (where, calls) in listed().items() if where == "emulated"}
    assert len(emulated) >= 5
    failed = {
        command: call
        for command, calls in emulated.items()
        for call in calls.strip().split(", ")
        if not outcomes.get(call, "not recorded").startswith("2")
    }
    assert failed == {}


def test_a_command_is_found_in_its_sentence() -> None:
    text = (
        "Run `az sig list --query x`, then\n$ az vm\nand `jazz az-b`. An az is no command.\n$ ls | az rest|jq"
        "\n   az acr login"
    )
    assert given(text) == {"az sig list", "az vm", "az rest", "az acr login"}
