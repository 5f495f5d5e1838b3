#!/usr/bin/env bash
# Fails the build for everything that must never be in an image: keys, tokens, histories, passwords, enrolment.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
found=$("$BASH" "$platform/platform/hygiene/findings.sh" --phase build)

if [[ -n $found ]]; then
  printf 'hygiene: %s\n' "$found" >&2
  printf 'hygiene: %d findings; remove them in the step that makes them\n' "$(wc --lines <<<"$found")" >&2
  exit 1
fi
echo "hygiene: nothing found"
