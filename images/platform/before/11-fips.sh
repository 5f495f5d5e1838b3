#!/usr/bin/env bash
# Turns FIPS mode on, where the definition of a base asks for it (spec.hardening.fips). It holds after the restart.
# Descendants inherit it: their kernels start with fips=1. For them the factory gives IMAGEFACTORY_FIPS=inherited.
set -euo pipefail

root=${IMAGEFACTORY_ROOT:?}
enabled=${IMAGEFACTORY_FIPS_ENABLED:-/proc/sys/crypto/fips_enabled}

if [[ -z ${IMAGEFACTORY_FIPS:-} ]]; then
  echo "fips: the definition does not ask for it"
  exit 0
fi
if [[ $(cat "$enabled") == 1 ]]; then
  echo "fips: the machine runs in FIPS mode already"
  exit 0
fi
if [[ $IMAGEFACTORY_FIPS == inherited ]]; then
  echo "fips: the base was built in FIPS mode and this machine does not run in it: an image above has switched it off" >&2
  exit 1
fi

# It writes the crypto policy FIPS, builds the initramfs of all kernels anew and gives each kernel fips=1 and its /boot.
dnf --assumeyes --setopt=install_weak_deps=False install crypto-policies-scripts
fips-mode-setup --enable
echo "FIPS mode holds from the next start on" >>"$root/restart-wanted"

# The check: the next start has it. 14-fips.sh asks the machine after the restart.
# Its words are kept first: `grep --quiet` ends at the first line that fits, which ends a program that still writes.
said=$(grubby --info=DEFAULT)
grep --quiet '^args=.*\bfips=1\b' <<<"$said"
[[ $(update-crypto-policies --show) == FIPS* ]]
