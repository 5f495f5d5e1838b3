"""Which characters are hidden, and how a text is shown without them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.texts import LINES, cleaned, find_hidden

HIDDEN = [
    "\x00",
    "\x1b",
    "\x7f",
    "\x9b",
    "\u200b",
    "\u200e",
    "\u202e",
    "\u2066",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ud800",
    "\U000e0041",
    "\u00ad",
]


@pytest.mark.parametrize("letter", HIDDEN, ids=ascii)
def test_a_hidden_character_is_found_and_replaced(letter: str) -> None:
    assert find_hidden(f"é{letter}b\x1b") == letter
    assert cleaned(f"é{letter}b") == "é b"
    assert cleaned(f"é{letter}b", instead="?") == "é?b"


@pytest.mark.parametrize("text", ["", "plain", "é 漢字 🚀 العربية", "a\u00a0b", "100 %"])
def test_a_text_that_people_write_stays(text: str) -> None:
    assert find_hidden(text) is None
    assert cleaned(text) == text


def test_line_ends_stay_where_they_are_allowed() -> None:
    assert cleaned("a\tb\nc\r", keeping=LINES) == "a\tb\nc "
    assert cleaned("a\tb\nc") == "a b c"
    assert find_hidden("a\tb\n", keeping=LINES) is None
    assert find_hidden("a\tb\n") == "\t"


@given(text=st.text(), keeping=st.sampled_from(["", LINES]))
def test_nothing_hidden_is_in_a_cleaned_text_and_no_length_changes(text: str, keeping: str) -> None:
    assert find_hidden(cleaned(text, keeping=keeping), keeping=keeping) is None
    assert len(cleaned(text, keeping=keeping)) == len(text)
