"""Writes SecOps' tailoring for a base in FIPS mode: `tailoring.py TAILORING INTO`.

The exceptions for machines without FIPS do not apply to it: the rules about FIPS are left as the profile has them. A
crypto policy that SecOps chose for other bases would switch FIPS off, so it becomes FIPS; where they chose none, the
profile's own stays, which for stig is one of FIPS. The rule of CIS in newer releases of the guide has a policy of its
own, which is not FIPS, so it is left out. A release without that rule says that it does not know it, and goes on.
"""

import sys
from xml.etree import ElementTree

_NAMESPACE = "http://checklists.nist.gov/xccdf/1.2"
_PREFIX = "xccdf_org.ssgproject.content_"
_RULES = ("enable_fips_mode", "enable_dracut_fips_module", "sysctl_crypto_fips_enabled")
_OTHER_POLICY = f"{_PREFIX}rule_configure_custom_crypto_policy_cis"
_POLICY = f"{_PREFIX}value_var_system_crypto_policy"


def main(tailoring: str, into: str) -> int:
    """Returns 1 where the tailoring has no profile: then it would mean something else than it says."""
    ElementTree.register_namespace("", _NAMESPACE)
    tree = ElementTree.parse(tailoring)
    profiles = tree.getroot().findall(f"{{{_NAMESPACE}}}Profile")
    for profile in profiles:
        is_replaced = False
        for each in list(profile):
            kind = each.tag.rpartition("}")[2]
            idref = each.get("idref", "")
            if kind == "select" and idref in [f"{_PREFIX}rule_{rule}" for rule in _RULES]:
                profile.remove(each)
            if kind in ("set-value", "refine-value") and idref == _POLICY and not _is_fips(each):
                profile.remove(each)
                is_replaced = True
        if is_replaced:
            value = ElementTree.SubElement(profile, f"{{{_NAMESPACE}}}set-value", {"idref": _POLICY})
            value.text = "FIPS"
        ElementTree.SubElement(
            profile, f"{{{_NAMESPACE}}}select", {"idref": _OTHER_POLICY, "selected": "false"}
        )
    tree.write(into, encoding="utf-8", xml_declaration=True)
    return 0 if profiles else 1


def _is_fips(value: ElementTree.Element) -> bool:
    return (value.text or "").strip().partition(":")[0] == "FIPS"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
