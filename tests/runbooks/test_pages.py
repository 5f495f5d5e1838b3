"""What holds for every runbook, without a factory: its sections, what is run of it, and how output is compared."""

import os
from pathlib import Path

import pytest

from tests.runbooks import happenings, pages
from tests.runbooks.output import ANY, Versions, difference
from tests.runbooks.pages import Command, Happening, PageError
from tests.runbooks.shell import Shell

# Commands that only Azure or Terraform can answer. More of them is a decision: each is a command that no test runs.
SLOW = {"rotate": 1}  # run by MARKS=campaign
NEED_AZURE = {"lost-state": 1, "provision": 2, "revoke": 2, "rollback": 4, "rotate": 1}
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", pages.names())
def test_a_page_says_when_how_what_what_after_and_what_if(name: str) -> None:
    assert pages.read(name).sections == pages.SECTIONS


@pytest.mark.parametrize("name", pages.names())
def test_most_of_a_page_is_run_and_what_needs_azure_is_counted(name: str) -> None:
    page = pages.read(name)
    here, there = page.commands(needs_azure=False), page.commands(needs_azure=True)
    assert len(there) == NEED_AZURE.get(name, 0)
    assert sum(each.is_slow for each in here) == SLOW.get(name, 0)
    assert len(here) > len(there)
    assert sum(any(line.strip() != ANY for line in each.shown) for each in here) >= 2, (
        "too little of what is run is compared"
    )
    assert any(each.text.startswith("imagefactory ") for each in here)


@pytest.mark.parametrize("name", pages.names())
def test_only_commands_that_need_azure_are_marked_so(name: str) -> None:
    page = pages.read(name)
    assert [each.text for each in page.commands(needs_azure=False) if " az " in f" {each.text} "] == []
    odd = [each.text for each in page.commands(needs_azure=True) if not needs_azure(each.text)]
    assert odd == []


def needs_azure(command: str) -> bool:
    """True of what calls azure-cli or Terraform, or makes words for such a call."""
    return any(word in command for word in ("az ", "terraform ", "--gallery-image-version "))


@pytest.mark.parametrize("name", pages.names())
def test_a_copy_of_a_folder_can_be_made_twice(name: str) -> None:
    """`cp -r` puts the second copy into the first one."""
    copies = [
        each.text for each in pages.read(name).commands(needs_azure=False) if each.text.startswith("cp -")
    ]
    assert [each for each in copies if "--no-target-directory" not in each] == []


def test_what_a_trial_has_put_in_force_is_brought_into_the_folder_that_is_registered_next() -> None:
    """Else the next registration takes it back."""
    texts = [each.text for each in pages.read("raised-benchmark").commands(needs_azure=False)]
    after = texts[texts.index("imagefactory platform promote") :]
    assert "cp --recursive --no-target-directory next/platform images/platform" in after


def test_the_traps_of_a_reader_stand_in_a_shell_of_its_own() -> None:
    assert "`bash --norc`" in (DOCS / "runbooks" / "README.md").read_text("utf-8")


def test_every_happening_of_a_page_is_known_and_every_known_one_is_used() -> None:
    used = {each.name for name in pages.names() for each in pages.read(name).happenings()}
    assert used == set(happenings.BY_NAME)


def test_every_runbook_is_in_the_table_of_runbooks() -> None:
    table = (DOCS / "runbooks" / "README.md").read_text("utf-8")
    assert [name for name in pages.names() if f"]({name}.md)" not in table] == []
    assert len(pages.names()) >= 10


PAGE = """# Title

## When
```console
$ one
a
$ two \\
    more
b
```
<!-- here: something -->
   ```console azure
   $ for x in 1; do
   >   three
   > done
   ```
```sh
$ not run
```
"""


def test_a_page_is_read_in_its_order() -> None:
    page = pages.parse("x", PAGE)
    assert page.sections == ("When",)
    assert page.steps == (
        Command(text="one", shown=("a",), line=5),
        Command(text="two \\\n    more", shown=("b",), line=7),
        Happening(name="something", line=11),
        Command(text="for x in 1; do\n  three\ndone", shown=(), line=13, needs_azure=True),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("```console\n$ a\n", "does not end"), ("```console\noutput\n```\n", "before the first command")],
)
def test_a_page_that_cannot_be_run_is_refused(text: str, said: str) -> None:
    with pytest.raises(PageError, match=said):
        pages.parse("x", text)


SHOWN = (
    "│ rhel9-base │ 9.20261201.2 │ current │ 2026-12-01 09:47 UTC │",
    "...",
    "made rhel9-base.06289d693f4f.1",
)


@pytest.mark.parametrize(
    ("printed", "is_same"),
    [
        (
            "┃ rhel9-base  ┃  9.20270105.2 ┃ current ┃ 2027-01-05 10:00 UTC ┃\nx\ny\nmade rhel9-base.aaaaaaaaaaaa.1",
            True,
        ),
        (
            "\n│ rhel9-base │ 9.20261201.2 │ current │ 2026-12-01 09:47 UTC │\nmade rhel9-base.06289d693f4f.1\n\n",
            True,
        ),
        (
            "│ rhel9-base │ 9.20261201.2 │ blocked │ 2026-12-01 09:47 UTC │\nmade rhel9-base.06289d693f4f.1",
            False,
        ),
        (
            "│ rhel9-base │ 9.20261201.2 │ current │ 2026-12-01 09:47 UTC │\nmade rhel9-base.06289d693f4f.2",
            False,
        ),
        (
            "x\n│ rhel9-base │ 9.20261201.2 │ current │ 2026-12-01 09:47 UTC │\nmade rhel9-base.06289d693f4f.1",
            False,
        ),
        (
            "│ rhel9-base │ 9.20261201.2 │ current │ 2026-12-01 09:47 UTC │\nmade rhel9-base.06289d693f4f.1\nx",
            False,
        ),
        ("", False),
    ],
    ids=["other-values", "no-lines-between", "other-word", "other-number", "before", "behind", "nothing"],
)
def test_output_is_compared_by_its_stable_parts(printed: str, *, is_same: bool) -> None:
    assert (difference(SHOWN, printed, Versions()) == "") is is_same


def test_a_command_that_shows_an_error_must_fail() -> None:
    assert Command(text="x", shown=("error: no",), line=1).fails
    assert not Command(text="x", shown=("no error: none",), line=1).fails


def test_a_command_that_fails_before_a_pipe_is_a_failure(tmp_path: Path) -> None:
    with Shell(tmp_path, os.environ) as shell:
        assert shell.run("false | cat", 30) == ("", 1)
        assert shell.run("true | cat", 30) == ("", 0)


_HIDDEN = {
    "the list of a loop": "for each in $(false | cat); do :; done",
    "an argument": 'echo "$(false | cat)" >/dev/null',
    "a pipe of an argument": 'echo "$(false | cat)" | cat >/dev/null',
    "a loop in a substitution": "each=$(for x in $(false | cat); do :; done)",
    "a command before the last": "each=$(false; echo 1)",
    "a variable that is exported": "export EACH=$(false)",
    "a substitution of a file": "cat <(false | cat)",
    "a group": "(false | cat); true",
}
_CAUGHT = (
    "each=$(false | cat) || true",
    'if [ "$(false | cat)" = 1 ]; then :; fi',
    'until [ "$(false | cat)" = "" ]; do :; done',
    "each=$(false || true)",
    "for each in $(echo 1 | cat); do test $each = 1; done",
)


@pytest.mark.parametrize("case", _HIDDEN)
def test_a_failure_that_bash_gives_on_to_nobody_is_a_failure(tmp_path: Path, case: str) -> None:
    with Shell(tmp_path, os.environ) as shell:
        printed, status = shell.run(_HIDDEN[case], 30)
        assert status == 1
        assert printed.startswith("failed inside: ")
        assert shell.run("true", 30) == ("", 0)  # the next command is judged by itself


@pytest.mark.parametrize("command", _CAUGHT)
def test_a_failure_that_the_command_itself_asks_for_or_catches_is_none(tmp_path: Path, command: str) -> None:
    with Shell(tmp_path, os.environ) as shell:
        assert shell.run(command, 30) == ("", 0)


def test_a_command_without_shown_output_must_print_nothing() -> None:
    assert difference((), "", Versions()) == ""
    assert "does not show" in difference((), "a warning", Versions())


def test_any_lines_alone_are_at_least_one() -> None:
    assert difference((ANY,), "x\ny", Versions()) == ""
    assert "nothing was printed" in difference((ANY,), "\n", Versions())


ROWS = ("│ 1.20261201.3 │ excluded │", "│ 1.20261201.2 │ current │")


@pytest.mark.parametrize(
    ("excluded", "current", "is_same"),
    [("1.20270105.8", "1.20270105.7", True), ("1.20270105.7", "1.20270105.8", False)],
    ids=["same", "swapped"],
)
def test_a_version_of_the_page_is_one_version_of_the_run(
    excluded: str, current: str, *, is_same: bool
) -> None:
    versions = Versions()
    assert difference(("bad 1.20261201.3",), "bad 1.20270105.8", versions, "show ml-worker") == ""
    printed = f"│ {excluded} │ excluded │\n│ {current} │ current │"
    assert (difference(ROWS, printed, versions, "versions list ml-worker") == "") is is_same


def test_two_versions_of_the_page_are_two_versions_of_the_run() -> None:
    assert difference(ROWS, "1.20270105.8 excluded\n1.20270105.8 current", Versions()) != ""


def test_versions_are_those_of_their_image() -> None:
    shown = ("rhel9-java@1.20261201.2 -> payments-api@1.20261201.2",)
    assert difference(shown, "rhel9-java@1.20270105.4 -> payments-api@1.20270105.3", Versions()) == ""


def test_a_command_takes_the_version_of_the_run() -> None:
    versions = Versions(meant={("ml-worker", "1.20261201.2"): "1.20270105.8"})
    assert versions.put_into("bad=ml-worker@1.20261201.2") == "bad=ml-worker@1.20270105.8"
    with pytest.raises(LookupError, match=r"1\.20261201\.3 of ml-worker"):
        versions.put_into("bad=ml-worker@1.20261201.3")
