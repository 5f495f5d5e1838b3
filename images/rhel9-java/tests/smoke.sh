#!/usr/bin/env bash
# The JVM starts, has the cryptography that TLS needs, and trusts the system's certificate authorities.
set -euo pipefail

said=$(java -XshowSettings:security:tls -version 2>&1)
grep --quiet 'TLSv1.3' <<<"$said"
keystore=$(readlink --canonicalize-existing /usr/lib/jvm/jre/lib/security/cacerts)
[[ -s $keystore ]] || { echo "smoke: the JVM has no certificate authorities" >&2; exit 1; }
echo "smoke: the JVM runs"
