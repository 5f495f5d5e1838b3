#!/usr/bin/env bash
# Ends with 0 if the machine must be in FIPS mode. The factory says so for a base and for each descendant, by what the
# base was built with. The note in the image counts beside it: an older factory says it for the base alone.
set -euo pipefail

base=${IMAGEFACTORY_BASE:-/etc/imagefactory/base.json} # roots/30-base.sh writes it, descendants inherit it
[[ -n ${IMAGEFACTORY_FIPS:-} ]] || grep --quiet --no-messages '"fips": true' "$base"
