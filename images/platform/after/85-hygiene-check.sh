#!/usr/bin/env bash
# Fails the build for everything that must never be in an image: keys, tokens, histories, passwords, enrolment.
# IMAGEFACTORY_WAIVED has the findings that SecOps waived when this attempt began: lines of a rule, a tab and a path, which
# may end in @sha256: and the digest of the only content that is waived.
# Whether a waiver still counts is decided after the verify stage, which looks without it.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
found=$("$BASH" "$platform/platform/hygiene/findings.sh" --phase build --waived <(printf '%s' "${IMAGEFACTORY_WAIVED:+$IMAGEFACTORY_WAIVED$'\n'}"))

if [[ -n $found ]]; then
  printf 'hygiene: %s\n' "$found" >&2
  printf 'hygiene: %d findings; remove them in the step that makes them\n' "$(wc --lines <<<"$found")" >&2
  exit 1
fi
echo "hygiene: nothing found"
