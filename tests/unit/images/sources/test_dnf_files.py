"""Texts of dnf's files: what is asked for changes, and nothing else."""

import configparser

import dnf_files
import pytest
from hypothesis import given
from hypothesis import strategies as st

CONF = "# first\n[main]\ngpgcheck=1\nexclude=a\n  b\n# note\nproxy = http://old\n\n[other]\nproxy=x\n"


def test_a_setting_is_replaced_in_its_section_alone() -> None:
    assert dnf_files.with_settings(CONF, "main", {"proxy": "http://new"}) == (
        "# first\n[main]\nproxy=http://new\ngpgcheck=1\nexclude=a\n  b\n# note\n\n[other]\nproxy=x\n"
    )


def test_a_setting_goes_with_the_lines_that_continue_it() -> None:
    assert dnf_files.with_settings(CONF, "main", {"exclude": None, "proxy": None}) == (
        "# first\n[main]\ngpgcheck=1\n# note\n\n[other]\nproxy=x\n"
    )


@pytest.mark.parametrize(("change", "text"), [({"proxy": None}, ""), ({"proxy": "a"}, "[main]\nproxy=a\n")])
def test_a_section_is_added_only_where_it_is_needed(change: dict[str, str | None], text: str) -> None:
    assert dnf_files.with_settings("", "main", change) == text


def test_the_last_value_counts() -> None:
    assert dnf_files.setting("[a]\nx=1\n[b]\nx=2\n[a]\nx = 3 \n", "a", "x") == "3"
    assert dnf_files.setting("x=1\n", "a", "x") is None


VALUES = st.text("ab:/. ", max_size=8).map(str.strip)
SECTIONS = st.dictionaries(
    st.sampled_from(["main", "one"]), st.dictionaries(st.sampled_from(["proxy", "enabled", "name"]), VALUES)
)


def parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


@given(given=SECTIONS, value=st.one_of(st.none(), VALUES))
def test_another_reader_finds_the_change_and_nothing_else(
    given: dict[str, dict[str, str]], value: str | None
) -> None:
    text = "".join(
        f"[{name}]\n" + "".join(f"{key}={each}\n" for key, each in settings.items())
        for name, settings in given.items()
    )
    expected = {name: dict(settings) for name, settings in given.items()}
    if value is not None:
        expected.setdefault("main", {})["proxy"] = value
    elif "main" in expected:
        expected["main"].pop("proxy", None)
    assert parsed(dnf_files.with_settings(text, "main", {"proxy": value})) == expected
