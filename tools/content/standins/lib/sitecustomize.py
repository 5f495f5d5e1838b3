"""RHEL 9 runs modules with Python 3.9, where flags may stand inside a regular expression; since 3.11 that is an error.

Release 0.1.65 of the guide has such expressions. They are given their meaning of 3.9: the flags hold for all of it.
"""

import re
from typing import Any

_compile = re.compile
_FLAGS = _compile(r"\(\?([aiLmsux]+)\)")


def _compile_as_before(pattern: Any, flags: Any = 0) -> Any:
    if isinstance(pattern, str | bytes) and not flags:
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        found = _FLAGS.search(text, 1)
        if found:
            text = found[0] + text[: found.start()] + text[found.end() :]
            pattern = text.encode("latin-1") if isinstance(pattern, bytes) else text
    return _compile(pattern, flags)


re.compile = _compile_as_before
