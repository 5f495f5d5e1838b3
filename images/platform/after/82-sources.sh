#!/usr/bin/env bash
# Leaves the sources of packages that a deployed machine uses: platform/sources/settings.json. Nothing of the build's
# mirror and proxy stays. 85-hygiene-check.sh finds what else names them.
set -euo pipefail

sources=${IMAGEFACTORY_PLATFORM:?}/platform/sources/sources.sh
system=${IMAGEFACTORY_SYSTEM:-} # a folder that stands for the machine, in tests

"$BASH" "$sources" deployed

# The check, by another tool than the one that wrote: dnf's own files name no host that only the build reaches.
hosts=$("$BASH" "$sources" only-build)
for host in $hosts; do
  named="(^|[^A-Za-z0-9._-])${host//./\\.}(\$|[^A-Za-z0-9._-])"
  # grep ends with 2 where one of the folders is not there, also if it found something in the other.
  found=$(grep --recursive --files-with-matches --no-messages --extended-regexp -- "$named" \
    "$system"/etc/dnf "$system"/etc/yum.repos.d || true)
  if [[ -n $found ]]; then
    echo "sources: ${found//$'\n'/, } names $host, which only a build reaches: remove it in the step that writes it" >&2
    exit 1
  fi
done
[[ ! -e $system/var/lib/imagefactory-build-sources ]]
