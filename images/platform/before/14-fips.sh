#!/usr/bin/env bash
# After the restart: is the machine in FIPS mode, where the definition or the base of the image asks for it?
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}

if ! "$BASH" "$platform/platform/fips/wanted.sh"; then
  echo "fips: neither the definition nor the base asks for it"
  exit 0
fi

# The check: the kernel, the start of the machine and the crypto policy say the same.
"$BASH" "$platform/platform/fips/check.sh"
