#!/usr/bin/env bash
# Ends with 0 if the machine must be in FIPS mode: the definition of the base says so, or the base did when it was built.
set -euo pipefail

base=${IMAGEFACTORY_BASE:-/etc/imagefactory/base.json} # roots/30-base.sh writes it, descendants inherit it
[[ -n ${IMAGEFACTORY_FIPS:-} ]] || grep --quiet --no-messages '"fips": true' "$base"
