"""The tags that SecOps gives to everything a build makes, because Azure Policy may refuse a resource without them.

They say nothing about a build, so they are in no fingerprint. The limits are Azure's (learn.microsoft.com, Use tags to
organize your Azure resources), and those of Packer's templates, which evaluate some sequences of characters.
"""

from collections.abc import Mapping

from pipeline_core.domain.attempts import TAG_PREFIX

LIMIT = 30  # of the 50 tags of a resource; the others are the factory's and those that Packer adds for a plan
NAME_LENGTH = 512
VALUE_LENGTH = 256
_FORBIDDEN = frozenset("<>%&\\?/")  # in a name
EVALUATED = frozenset("{}")  # Packer evaluates `${`, `%{` and `{{`, in names and values
_RESERVED = ("microsoft", "azure", "windows")
# Packer's plugin writes these for an image with a plan, over any tag of the same name.
_PLUGINS = frozenset({"planinfo", "planproduct", "planpublisher", "planpromotioncode"})


def problem_of(tags: Mapping[str, str]) -> str:
    """Why these tags cannot be given, with the remedy; empty where they can."""
    if len(tags) > LIMIT:
        return f"has {len(tags)} tags: give at most {LIMIT}, because a resource has at most 50 and ours are beside them"
    seen: set[str] = set()
    for name, value in tags.items():
        problem = _problem_of_name(name) or _problem_of_value(value)
        if not problem and name.lower() in seen:
            problem = "is given twice: names of tags have no case"
        if problem:
            return f"the tag {name[:60]!r} {problem}"
        seen.add(name.lower())
    return ""


def _problem_of_name(name: str) -> str:
    lowered = name.lower()
    if not name or len(name) > NAME_LENGTH or name != name.strip():
        return f"has no good name: give 1 to {NAME_LENGTH} characters without spaces around them"
    if not name.isprintable() or any(each in _FORBIDDEN or each in EVALUATED for each in name):
        return "has a character in its name that cannot be there: remove <, >, %, &, \\, ?, /, { and }"
    if lowered.startswith(_RESERVED):
        return f"begins as Azure's own tags do: choose a name that does not begin with {', '.join(_RESERVED)}"
    if lowered.startswith(TAG_PREFIX):
        return f"begins as the factory's own tags do: choose a name that does not begin with {TAG_PREFIX}"
    if lowered in _PLUGINS:
        return "is written by Packer for images with a plan: choose another name"
    return ""


def _problem_of_value(value: str) -> str:
    if len(value) > VALUE_LENGTH:
        return f"has a value of {len(value)} characters: give at most {VALUE_LENGTH}"
    if not value.isprintable() or any(each in EVALUATED for each in value):
        return "has a character in its value that Packer would evaluate: remove {, } and control characters"
    return ""
