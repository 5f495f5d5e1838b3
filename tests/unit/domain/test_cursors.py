"""The forms of cursors: what each list gives, and what is no place in it."""

from datetime import UTC, datetime

import pytest

from pipeline_core.domain.cursors import CursorForm
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import entry_key, standing_key
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.poison import poison_key
from pipeline_core.domain.receivers import ReceiverId

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
URL = "https://hooks.example.com/a"

GIVEN: dict[str, tuple[CursorForm, str]] = {
    "image": (CursorForm.IMAGE, "payments-api"),
    "receiver of a team": (CursorForm.RECEIVER, str(ReceiverId.of(URL, TeamName("payments")))),
    "receiver of secops": (CursorForm.RECEIVER, str(ReceiverId.of(URL, None))),
    "entry": (CursorForm.ENTRY, entry_key(AT, "0123456789abcdef")),
    "entry of a state": (CursorForm.ENTRY, standing_key(AT, "a subject")),
    "build": (CursorForm.BUILD, "dfd9eedeTf6cfffffffff-p5ym1nts-5pi.fedcba987654.e"),
    "build of an older release": (CursorForm.BUILD, "old-dfd9eedeTf6cfffffffff-p5ym1nts-5pi.fedcba987654.e"),
    "poison": (CursorForm.POISON, poison_key(AT, "0123456789abcdef")),
    "poison of an older release": (CursorForm.POISON, "20261121T093000000000-0123456789abcdef"),
    "approval": (CursorForm.APPROVAL, "ml-team:pay-base"),
    "version of the policy": (CursorForm.REVISION, "12"),
    "unreadable row": (CursorForm.UNREADABLE, "images:app:build:a b/\u00fc\n:0123456789abcdef"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_a_list_gives_is_a_cursor(case: str) -> None:
    form, text = GIVEN[case]
    assert form.checked(text) == text


@pytest.mark.parametrize("form", CursorForm)
def test_the_first_page_needs_none(form: CursorForm) -> None:
    assert form.checked("") == ""


@pytest.mark.parametrize("form", CursorForm)
@pytest.mark.parametrize(
    "text", ["nonsense!", "A/b", "9879-App", "' or 1", "\n", "app\n", "é", "x" * 2000 + "!"]
)
def test_other_texts_say_where_a_cursor_comes_from(form: CursorForm, text: str) -> None:
    with pytest.raises(InvalidValue, match="give `next` of the page before as it is, or nothing"):
        form.checked(text)


# Of the lineage it is the path of a root.
_OF_NAMES = (CursorForm.IMAGE, CursorForm.LINEAGE)


@pytest.mark.parametrize("form", [form for form in CursorForm if form not in _OF_NAMES])
def test_a_name_is_a_cursor_of_images_and_of_the_lineage_alone(form: CursorForm) -> None:
    with pytest.raises(InvalidValue):
        form.checked("payments-api")


def test_a_cursor_of_the_lineage_has_at_most_one_name_for_each_level() -> None:
    assert CursorForm.LINEAGE.checked("/".join(["a" * 63] * 16))
    for text in ("/".join(["a"] * 17), "a" * 64, "a//b", "a/", f"a/{'b' * 64}"):
        with pytest.raises(InvalidValue):
            CursorForm.LINEAGE.checked(text)


def test_a_cursor_of_the_journal_is_none_of_builds() -> None:
    assert CursorForm.ENTRY.checked(GIVEN["entry"][1])
    with pytest.raises(InvalidValue):
        CursorForm.BUILD.checked(GIVEN["entry"][1])
