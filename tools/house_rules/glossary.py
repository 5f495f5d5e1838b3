"""The glossary and the code use the same words: each entry occurs in the code, each class's noun has an entry.

The noun of a class is the last word of its name: BuildView is a view. An error is named for what happened, and so is
a result (Ended, Moved); neither is a noun.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from tools.house_rules.source import Class, File, Finding, public_classes

GLOSSARY: Final = "docs/glossary.md"
# Words that mean here what they mean everywhere. Keep this short: a word with a sense of its own needs an entry.
EVERYDAY: Final = frozenset(
    re.findall(
        r"[a-z]+",
        # of programming
        "class client clock codec configuration document event file formatter id index kind key line log metadata "
        "name on page part problem row settings spec table type value web write "
        # of Azure and of the machine, in the vendor's own sense
        "blob container group marketplace os package principal queue region resource secret test token tool webhook "
        # of prose
        "again answer chance content copy count detail difference fact limit nothing note place reference report "
        "start target text up "
        # participles that do not end in -ed: a result is named for what happened
        "found kept lost shown spent taken unread",
    )
)
_ROW: Final = re.compile(r"^\| *([^|]+?) *\| *(.+?) *\|$", re.MULTILINE)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_CODE: Final = frozenset({"pipeline_core", "builder", "imagefactory", "triggers"})


def unused_entries(files: Sequence[File]) -> Iterator[Finding]:
    """Each word of the glossary occurs in the code, as a part of an identifier or in a sentence."""
    code = " ".join(" ".join(_words(file.text)) for file in files if file.is_product and _is_code(file))
    for file in files:
        if str(file.path) == GLOSSARY:
            for term in _terms(file.text):
                if not re.search(rf"\b{' '.join(_words(term))}[a-z]{{0,3}}\b", code):
                    yield Finding(
                        place=GLOSSARY,
                        cause=f"{term!r} does not occur in the code",
                        remedy="remove the entry, or use its word",
                    )


def missing_words(files: Sequence[File]) -> Iterator[Finding]:
    """Each noun of a public class of pipeline_core has an entry; one finding for each word."""
    entries = {form for word in _entry_words(files) for form in _forms(word)}
    missing: dict[str, Class] = {}
    for each in nouns(files):
        word = _words(each.name)[-1]
        if not _forms(word) & entries:
            missing.setdefault(word, each)
    for word, each in sorted(missing.items()):
        yield Finding(
            place=each.place,
            cause=f"{word!r} of {each.name} is not in the glossary",
            remedy=f"add it to {GLOSSARY}, or rename the class with a word that is there",
        )


def nouns(files: Sequence[File]) -> Iterator[Class]:
    """The classes whose last word has to have an entry."""
    classes = [
        each
        for file in files
        if file.is_product and file.path.parts[0] == "pipeline_core"
        for each in public_classes(file)
    ]
    errors = {"Exception", "ValueError"}
    while more := {each.name for each in classes if errors & set(each.bases)} - errors:
        errors |= more
    for each in classes:
        word = _words(each.name)[-1]
        if each.name not in errors and not _forms(word) & EVERYDAY and not word.endswith("ed"):
            yield each


def _is_code(file: File) -> bool:
    return file.path.parts[0] in _CODE


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _terms(text: str) -> list[str]:
    """The terms of the first column, and the words in italics of the second column."""
    terms: list[str] = []
    for first, second in _ROW.findall(text):
        if first != "Word" and not first.startswith("-"):
            terms += [*re.split(r", *", first), *re.findall(r"\*(\w+)\*", second)]
    return terms


def _entry_words(files: Sequence[File]) -> set[str]:
    return {
        word
        for file in files
        if str(file.path) == GLOSSARY
        for term in _terms(file.text)
        for word in _words(term)
    }


def _forms(word: str) -> frozenset[str]:
    """The word and what it may be derived from: reaper gives reap, policies gives policy."""
    forms = {word}
    for ending in ("s", "es", "er", "r", "or", "ing", "ed", "d", "ment", "ation", "ion"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word.removesuffix(ending)
            forms |= {stem, stem + "e", stem[:-1] if stem[-2:-1] == stem[-1:] else stem}
    if word.endswith("ies"):
        forms.add(word.removesuffix("ies") + "y")
    return frozenset(forms)
