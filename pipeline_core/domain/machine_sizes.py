"""How many cores (vCPUs) a machine has, as the name of its size says. Pure; nobody is asked.

The convention is Azure's: family, number of vCPUs, of them enabled, features, version
(https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions). A constrained size, such as
`Standard_E8-4s_v5`, counts whole: it takes the machine and the price of eight. The series A, D, DS, G and GS of
before the convention number their sizes instead, so their cores are in a table
(https://learn.microsoft.com/azure/virtual-machines/sizes-previous-gen, and `dv2-dsv2-series` beside it).
"""

import re

ASSUMED_CORES = 2  # of a build of which the cores are not known: those of `Standard_D2s_v5`, the default size

_NAME = re.compile(
    r"(?:standard|basic)_([a-z]{1,4})([1-9][0-9]{0,3}|0)(?:-[1-9][0-9]{0,3})?([a-z]*)((?:_[a-z0-9]+)*)"
)
_A = {0: 1, 1: 1, 2: 2, 3: 4, 4: 8, 5: 2, 6: 4, 7: 8, 8: 8, 9: 16, 10: 8, 11: 16}
_D = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16, 15: 20}
_G = {1: 2, 2: 4, 3: 8, 4: 16, 5: 32}
_NUMBERED = {
    ("a", ""): _A,
    ("d", ""): _D,
    ("d", "_v2"): _D,
    ("ds", ""): _D,
    ("ds", "_v2"): _D,
    ("g", ""): _G,
    ("gs", ""): _G,
}


def cores_of(size: str) -> int | None:
    """The cores of a machine of this size, compared without case; None where its name does not say them."""
    found = _NAME.fullmatch(size.lower())
    if found is None:
        return None
    family, number, features, rest = found[1], int(found[2]), found[3], found[4].removesuffix("_promo")
    numbered = _NUMBERED.get((family, rest)) if features in ("", "i") else None
    if numbered is not None:
        return numbered.get(number)
    return number or None
