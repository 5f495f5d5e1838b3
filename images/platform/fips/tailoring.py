"""Writes SecOps' tailoring for a base in FIPS mode: `tailoring.py TAILORING INTO`.

The exceptions for machines without FIPS do not apply to it: the rules about FIPS are left as the profile has them, and
the crypto policy that other bases have would switch FIPS off, so the value is FIPS.
"""

import sys
from xml.etree import ElementTree

_NAMESPACE = "http://checklists.nist.gov/xccdf/1.2"
_PREFIX = "xccdf_org.ssgproject.content_"
_RULES = ("enable_fips_mode", "enable_dracut_fips_module", "sysctl_crypto_fips_enabled")
_POLICY = f"{_PREFIX}value_var_system_crypto_policy"


def main(tailoring: str, into: str) -> int:
    """Returns 1 where the tailoring has no profile: then it would mean something else than it says."""
    ElementTree.register_namespace("", _NAMESPACE)
    tree = ElementTree.parse(tailoring)
    profiles = tree.getroot().findall(f"{{{_NAMESPACE}}}Profile")
    for profile in profiles:
        for each in list(profile):
            kind = each.tag.rpartition("}")[2]
            idref = each.get("idref", "")
            if kind == "select" and idref in [f"{_PREFIX}rule_{rule}" for rule in _RULES]:
                profile.remove(each)
            if kind in ("set-value", "refine-value") and idref == _POLICY:
                profile.remove(each)
        value = ElementTree.SubElement(profile, f"{{{_NAMESPACE}}}set-value", {"idref": _POLICY})
        value.text = "FIPS"
    tree.write(into, encoding="utf-8", xml_declaration=True)
    return 0 if profiles else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
