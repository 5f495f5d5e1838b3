"""Each house rule finds a broken example and passes a good one; the repository keeps the rules that the gate holds."""

from pathlib import PurePosixPath

import pytest

from tools.house_rules import __main__ as house_rules
from tools.house_rules import glossary, names, repository, sizes
from tools.house_rules import words as plain
from tools.house_rules.source import File, tracked

HASH = "    --hash=sha256:" + "0" * 64
MACHINE = "/" + "home/somebody/file"  # in two parts, because this file must not name such a path


def some(**texts: str) -> list[File]:
    """Files by path; `__` stands for a slash, and what has no suffix is a module."""
    return [
        File(path=PurePosixPath(name.replace("__", "/") + ".py"), text=text) for name, text in texts.items()
    ]


def one(path: str, text: str) -> list[File]:
    return [File(path=PurePosixPath(path), text=text)]


def function(lines: int, inside: str = "") -> str:
    return "def outer():\n" + inside + "    pass\n" * (lines - 1)


def modules(folder: str, count: int) -> list[File]:
    return [File(path=PurePosixPath(f"{folder}/m{number}.py"), text="") for number in range(count)]


def words(text: str) -> list[File]:
    return one("docs/glossary.md", f"| Word | Meaning |\n|---|---|\n{text}\n")


CLASS = "class Thing: ..."
BROKEN = {
    "a long module": (sizes.module_length, one("tests/test_a.py", "\n" * 401)),
    "a long function": (sizes.function_length, one("local/a.py", function(61))),
    "a long function inside a short one": (
        sizes.function_length,
        one("local/a.py", function(2, "    def inner():\n" + "        pass\n" * 60)),
    ),
    "a long method": (
        sizes.function_length,
        one("local/a.py", "class A:\n    async def b(self):\n" + "        pass\n" * 60),
    ),
    "a folder of many modules": (sizes.flat_folders, modules("pipeline_core/services", 17)),
    "a lock file with an address": (
        repository.lock_files,
        one("requirements.txt", f"--index-url https://example.com\nabc==1.0 \\\n{HASH}\n"),
    ),
    "a tool's lock without a hash": (repository.lock_files, one("tools/lint.txt", "abc==1.0\n")),
    "a package without a hash": (
        repository.lock_files,
        one("requirements.txt", f"abc==1.0 \\\n{HASH}\nabd==2.0\n"),
    ),
    "a path of one machine": (repository.machine_paths, one("README.md", f"see {MACHINE}")),
    "a pipe into a grep that stops reading": (
        repository.broken_pipes,
        one("images/a.sh", "set -euo pipefail\ngrubby --info=DEFAULT | grep --quiet fips=1\n"),
    ),
    "a pipe into one with short options": (
        repository.broken_pipes,
        one("images/a.sh", "set -euo pipefail\njava -version 2>&1 | grep -Eq 21\n"),
    ),
    "a pipe into a head on the next line": (
        repository.broken_pipes,
        one("tools/a.sh", "set -o pipefail\nfind . |\n  head -1\n"),
    ),
    "many targets": (repository.make_targets, one("Makefile", "a:  ## text\n" * 16)),
    "two classes of one name": (names.doubled_names, some(local__a=CLASS, simulation__b=CLASS)),
    "two classes of one name in the domain": (
        names.doubled_names,
        some(pipeline_core__domain__a=CLASS, pipeline_core__domain__b=CLASS),
    ),
    "a class that has a port's name and is not its twin": (
        names.doubled_names,
        some(pipeline_core__ports=CLASS, local__arm__a=CLASS),
    ),
    "a class that has the name of a port in a package and is not its twin": (
        names.doubled_names,
        some(pipeline_core__ports__a=CLASS, local__arm__a=CLASS),
    ),
    "a second wire form": (
        names.doubled_names,
        some(pipeline_core__domain__a=CLASS, pipeline_core__wire__a=CLASS, pipeline_core__wire__b=CLASS),
    ),
    "a second API model": (
        names.doubled_names,
        some(pipeline_core__domain__a=CLASS, triggers__api__a=CLASS, triggers__api__b=CLASS),
    ),
    "a wire form and an API model of nothing": (
        names.doubled_names,
        some(pipeline_core__wire__a=CLASS, triggers__api__models=CLASS),
    ),
    "an API model of a type and another class": (
        names.doubled_names,
        some(pipeline_core__domain__a=CLASS, triggers__api__models=CLASS, builder__a=CLASS),
    ),
    "an entry without code": (
        glossary.unused_entries,
        [*words("| wave | text |"), *one("builder/a.py", "images = 1")],
    ),
    "an entry of two words that stand apart": (
        glossary.unused_entries,
        [*words("| image version | text |"), *one("builder/a.py", "image = a; version = b")],
    ),
    "an entry that only a test uses": (
        glossary.unused_entries,
        [*words("| wave | text |"), *one("tests/a.py", "wave = 1")],
    ),
    "a class without an entry": (
        glossary.missing_words,
        [*words("| image | text |"), *some(pipeline_core__a="class ImageFence: ...")],
    ),
    "a docstring with a word that is hard to read": (
        plain.plain_words,
        one("local/a.py", '"""It mends a row."""'),
    ),
    "a comment with one": (plain.plain_words, one("local/a.py", "a = 1  # whoever writes first")),
    "a message with one": (
        plain.plain_words,
        one("builder/a.py", 'raise ValueError(f"{name} is no version")'),
    ),
    "a document with one": (plain.plain_words, one("docs/a.md", "The owner is told.")),
    "a class whose noun is in a meaning only": (
        glossary.missing_words,
        [*words("| image | a fence |"), *some(pipeline_core__a="class Fence: ...")],
    ),
}
GOOD = {
    "a module of the greatest length": (sizes.module_length, one("tests/test_a.py", "\n" * 400)),
    "a long document": (sizes.module_length, one("README.md", "\n" * 401)),
    "a function of the greatest length": (sizes.function_length, one("local/a.py", function(60))),
    "a router, whose endpoints count for themselves": (
        sizes.function_length,
        one("local/a.py", function(30, "    def inner():\n" + "        pass\n" * 40)),
    ),
    "a folder of the greatest size": (
        sizes.flat_folders,
        [*modules("builder", 16), *one("builder/__init__.py", ""), *one("builder/__main__.py", "")],
    ),
    "the domain": (sizes.flat_folders, modules("pipeline_core/domain", 40)),
    "a folder of tests": (sizes.flat_folders, modules("tests/unit", 40)),
    "a lock file": (repository.lock_files, one("requirements.txt", f"abc[x]==1.0 \\\n{HASH}\n    # via b\n")),
    "a path of a guest": (repository.machine_paths, one("images/a.sh", MACHINE)),
    "a part of a longer path": (repository.machine_paths, one("a.md", "example.com/" + "home/page")),
    "a grep over kept words, over a file, and one that reads all": (
        repository.broken_pipes,
        one(
            "images/a.sh",
            'set -euo pipefail\ngrep --quiet a <<<"$said"\n[[ -e b ]] || grep --quiet a b\nls | grep a\n',
        ),
    ),
    "a script that ignores how a pipe's first program ended": (
        repository.broken_pipes,
        one("images/a.sh", "set -eu\nls | grep -q a\n"),
    ),
    "few targets": (repository.make_targets, one("Makefile", "a:  ## text\n" * 15)),
    "two private classes": (
        names.doubled_names,
        some(local__a="class _Thing: ...", simulation__b="class _Thing: ..."),
    ),
    "a test's class": (names.doubled_names, some(local__a=CLASS, tests__b=CLASS)),
    "twins of a port": (
        names.doubled_names,
        some(
            pipeline_core__ports=CLASS,
            builder__ports=CLASS,
            pipeline_core__adapters__memory__a=CLASS,
            builder__azure_client="class AzureThing: ...",
            pipeline_core__adapters__azure__a="class AzureThing: ...",
        ),
    ),
    "outer forms of a domain type": (
        names.doubled_names,
        some(pipeline_core__domain__a=CLASS, pipeline_core__wire__a=CLASS, triggers__api__models=CLASS),
    ),
    "an API model of a view": (
        names.doubled_names,
        some(pipeline_core__services__views__a=CLASS, triggers__api__models=CLASS),
    ),
    "an entry in an identifier": (
        glossary.unused_entries,
        [
            *words("| image version, child | text |"),
            *one("builder/a.py", "imageVersions = ImageVersion(children)"),
        ],
    ),
    "a name, a word of a program, and plain words": (
        plain.plain_words,
        one("builder/a.py", 'told = "told"  # there is no version, it is no longer here'),
    ),
    "what was said on its day": (plain.plain_words, one("docs/adr/0001-a.md", "The owner is told.")),
    "a class whose noun is an entry": (
        glossary.missing_words,
        [
            *words("| policies, poll | text |"),
            *some(pipeline_core__a="class BigPolicy: ...\nclass Poller: ..."),
        ],
    ),
    "a class whose noun is set in italics": (
        glossary.missing_words,
        [*words("| build | with a *phase* |"), *some(pipeline_core__a="class Phase: ...")],
    ),
    "an error, which is named for what happened": (
        glossary.missing_words,
        [
            *words("| build | text |"),
            *some(pipeline_core__a="class Bad(Exception): ...\nclass Worse(Bad): ..."),
        ],
    ),
    "a result, which is named for what happened": (
        glossary.missing_words,
        [*words("| build | text |"), *some(pipeline_core__a="class Ended: ...")],
    ),
    "an everyday word": (
        glossary.missing_words,
        [*words("| build | text |"), *some(pipeline_core__a="class BuildEvents: ...")],
    ),
    "a class of another program": (
        glossary.missing_words,
        [*words("| build | text |"), *some(local__a="class Fence: ...")],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_example_is_one_finding_with_its_remedy(case: str) -> None:
    rule, files = BROKEN[case]
    (finding,) = rule(files)

    assert finding.place
    assert "\n" not in str(finding)
    assert str(finding) == f"{finding.place}: {finding.cause}: {finding.remedy}"


@pytest.mark.parametrize("case", GOOD)
def test_a_good_example_passes(case: str) -> None:
    rule, files = GOOD[case]

    assert list(rule(files)) == []


def test_a_doubled_name_says_where_each_bearer_is() -> None:
    (finding,) = names.doubled_names(some(simulation__b=CLASS, local__a=f"\n{CLASS}"))

    assert finding.place == "local/a.py:2"
    assert finding.cause == "Thing is also the name of simulation/b.py:1"


@pytest.mark.process
@pytest.mark.parametrize("name", house_rules.RULES)
def test_this_repository_keeps_what_the_gate_holds(name: str) -> None:
    assert [str(finding) for finding in house_rules.RULES[name](tracked())] == []


def test_each_rule_has_a_broken_and_a_good_example() -> None:
    rules = {*house_rules.RULES.values()}

    assert {rule for rule, _ in BROKEN.values()} == rules
    assert {rule for rule, _ in GOOD.values()} == rules
