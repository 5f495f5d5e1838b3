#!/usr/bin/env bash
# Notes in the image how its base was hardened. Builds and tests of descendants read it: their definitions do not say it.
set -euo pipefail

base=${IMAGEFACTORY_BASE:-/etc/imagefactory/base.json}
fips=false
if [[ -n ${IMAGEFACTORY_FIPS:-} ]]; then
  # Asked by 14-fips.sh before, and again: the steps of the hardening set a crypto policy too.
  "$BASH" "${IMAGEFACTORY_PLATFORM:?}/platform/fips/check.sh"
  fips=true
fi
install -d -m 0755 -- "$(dirname -- "$base")"
printf '{"base": "%s", "fips": %s, "profile": "%s"}\n' "${IMAGEFACTORY_IMAGE:?}" "$fips" "${IMAGEFACTORY_HARDENING:-}" >"$base"
chmod 0644 -- "$base"

# The check: it can be read.
python=/usr/libexec/platform-python
[[ -x $python ]] || python=python3
"$python" -m json.tool "$base"
