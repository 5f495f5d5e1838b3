#!/usr/bin/env bash
# Fails unless the machine is in FIPS mode. `check.sh PART...` proves these parts from files (fips_proof.py). Without a
# word it proves the kernel, the next starts and the main policy, and asks the vendor's tool too, which looks at the
# initramfs: the build stage runs it so. Sub-policies are a test of the booted machine, where SecOps can waive it.
# `fips-mode-setup --check` ends with 0 also where FIPS is off, so its words count.
set -euo pipefail

here=$(dirname -- "${BASH_SOURCE[0]}")
python=/usr/libexec/platform-python # a team may have put another `python3` first
[[ -x $python ]] || python=python3

# No module of the image: neither the user's nor the system's.
prove() { PYTHONPATH=$here/../hygiene "$python" -s -S -B "$here/fips_proof.py" "${IMAGEFACTORY_SYSTEM:-/}" "$@"; }

if (($#)); then
  prove "$@"
  exit
fi
prove kernel boot policy
said=$(fips-mode-setup --check) || true
printf 'fips: %s\n' "$said"
if [[ $said != *"FIPS mode is enabled."* || $said == *Inconsistent* ]]; then
  echo "fips: the machine is not in FIPS mode" >&2
  exit 1
fi
