#!/usr/bin/env bash
# Fails unless the machine runs in FIPS mode. `fips-mode-setup --check` ends with 0 also where it is off, so its words count.
set -euo pipefail

enabled=$(cat "${IMAGEFACTORY_FIPS_ENABLED:-/proc/sys/crypto/fips_enabled}")
said=$(fips-mode-setup --check) || true
policy=$(update-crypto-policies --show)
printf 'fips: kernel %s, policy %s: %s\n' "$enabled" "$policy" "$said"
if [[ $enabled != 1 || $said != *"FIPS mode is enabled."* || $said == *Inconsistent* || $policy != FIPS* ]]; then
  echo "fips: the machine is not in FIPS mode" >&2
  exit 1
fi
