"""The keys with which vendors sign the RPM packages of an image. SecOps keep this list.

A key is added with the source of its fingerprint, of which the id is the last 16 digits. No team's own key belongs
here: its packages are judged by their content.
"""

from __future__ import annotations

# 64-bit ids of OpenPGP keys, as rpm writes them.
KEYS = frozenset(
    (
        # Red Hat, release key 2 and auxiliary key 3, in /etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release of RHEL:
        # DISA's STIG of RHEL 10 prints both fingerprints (RHEL-10-001020).
        "199e2f91fd431d51",
        "5054e4a45a6340b3",
        # Microsoft (Release signing), https://packages.microsoft.com/keys/microsoft.asc:
        # BC528686B50D79E339D3721CEB3E94ADBE1229CF.
        "eb3e94adbe1229cf",
        # EPEL 9, https://dl.fedoraproject.org/pub/epel/RPM-GPG-KEY-EPEL-9:
        # FF8AD1344597106ECE813B918A3872BF3228467C.
        "8a3872bf3228467c",
    )
)
