"""The form of a commit's message, as a truth table, and the hook as git runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import commit_form

WHY = "\n\nThe old way lost a message when two workers took it.\n"
LINK = "https://example.com/" + "a" * 90

GOOD = {
    "a subject and a reason": "Add a lock" + WHY,
    "a subject of the greatest length": "A" + "d" * 59 + WHY,
    "an imperative that ends like a past": "Need a lock" + WHY,
    "an imperative that ends like a participle": "Bring the lock back" + WHY,
    "an imperative that ends like a third person": "Pass the lock on" + WHY,
    "an imperative with a hyphen": "Re-read the lock" + WHY,
    "a long link": f"Add a lock{WHY}\n{LINK}\n",
    "long quoted output": f"Add a lock{WHY}\n    {'x y ' * 30}\n",
    "a long trailer beside a reason": f"Add a lock{WHY}\nCo-authored-by: {'Some Body ' * 9}<a@example.com>\n",
    "comments of git": f"# Please enter the message\nAdd a lock{WHY}# On branch main, with a line that is longer "
    "than anything that is allowed in a body\n",
    "a diff below the scissors": f"Add a lock{WHY}# ------------------------ >8 ------------------------\n"
    + "+" * 200,
    "a merge": "Merge branch 'a-branch-with-a-name-that-is-longer-than-a-subject-may-be' into main\n",
    "a pull request": "Merge pull request #1 from somebody/a-branch\n",
    "a revert": 'Revert "Add a lock, with a subject that has the greatest length that is allowed"\n\n'
    "This reverts commit 0123456789abcdef0123456789abcdef01234567.\n",
    "a fixup": "fixup! Add a lock\n",
    "a squash": "squash! Add a lock\n",
    "nothing, which git itself refuses": "# only a comment\n\n",
    "a body in another script": "Add a lock\n\nДва процесса берут одно сообщение.\n",
}
BAD = {
    "a long subject": ("A" + "d" * 60 + WHY, "subject: 61 characters"),
    "a full stop": ("Add a lock." + WHY, "subject: it ends with a full stop"),
    "no capital": ("add a lock" + WHY, "subject: it begins with 'add'"),
    "the past": ("Added a lock" + WHY, "subject: 'Added' is not an imperative"),
    "an irregular past": ("Made a lock" + WHY, "subject: 'Made' is not an imperative"),
    "the third person": ("Adds a lock" + WHY, "subject: 'Adds' is not an imperative"),
    "a participle": ("Adding a lock" + WHY, "subject: 'Adding' is not an imperative"),
    "an article": ("The lock is added" + WHY, "subject: 'The' is not an imperative"),
    "a topic": ("Docs: add a page" + WHY, "subject: 'Docs:' is not an imperative"),
    "no body": ("Add a lock\n", "body: it is missing"),
    "a body of trailers": (
        "Add a lock\n\nSigned-off-by: Some Body Else <a@example.com>\n",
        "body: it is missing",
    ),
    "a body without words": ("Add a lock\n\n-- ok --\n", "body: it is missing"),
    "a body of comments": ("Add a lock\n\n# why this was done at all\n", "body: it is missing"),
    "a body below the scissors": (
        "Add a lock\n\n# ------------------------ >8 ------------------------\nThe old way lost it.\n",
        "body: it is missing",
    ),
    "no empty line": ("Add a lock\nThe old way lost it.\n", "line 2: 'The old way lost it.' follows"),
    "a long line": (f"Add a lock{WHY}{'word ' * 15}\n", "line 4: 74 characters"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_message_passes(case: str) -> None:
    assert list(commit_form.findings(GOOD[case])) == []


@pytest.mark.parametrize("case", BAD)
def test_a_bad_message_is_one_finding_that_says_what_to_do(case: str) -> None:
    text, expected = BAD[case]
    (found,) = commit_form.findings(text)

    assert found.startswith(expected)
    assert ": " in found.removeprefix(expected.split(":")[0] + ": ")


def test_all_findings_come_at_once() -> None:
    found = list(
        commit_form.findings("added a lock with a subject that is far longer than it is allowed to be.\nx")
    )

    assert [each.split(":")[0] for each in found] == ["subject", "subject", "subject", "line 2", "body"]


@pytest.mark.process
def test_git_runs_the_hook_that_pre_commit_installs(tmp_path: Path) -> None:
    """The real hook: pre-commit reads this project's settings, and a local hook needs no network."""
    top = Path.cwd()
    (tmp_path / "tools").symlink_to(top / "tools")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".pre-commit-config.yaml").write_bytes((top / ".pre-commit-config.yaml").read_bytes())
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {
        "HOME": str(tmp_path),
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert run("git", "init", "-q").returncode == 0
    installed = run(str(Path(sys.prefix) / "bin" / "pre-commit"), "install")
    assert installed.returncode == 0, installed.stderr
    commit = ("git", "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--allow-empty", "-m")

    refused = run(*commit, "added a lock")
    assert refused.returncode == 1
    assert "subject: it begins with 'added'" in refused.stderr
    assert "body: it is missing" in refused.stderr
    assert run("git", "log").returncode != 0  # there is no commit

    taken = run(*commit, "Add a lock", "-m", "The old way lost a message.")
    assert taken.returncode == 0, taken.stderr
    assert run("git", "log", "--format=%s").stdout == "Add a lock\n"
