#!/usr/bin/env bash
# Downloads the tools that the definition names (spec.build.catalog), verifies each by its SHA-256 and stores it
# as /opt/stage/Tools/ID/VERSION/FILE. Nothing is installed, made executable, started or enrolled.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
catalog=${IMAGEFACTORY_CATALOG:?}
stage=${IMAGEFACTORY_STAGE:-/opt/stage/Tools}

# With a mirror (platform/sources/settings.json) no other host is asked, nor allowed.
asked=$(mktemp --directory)
trap 'rm -rf -- "$asked"' EXIT
mirror=$("$BASH" "$platform/platform/sources/sources.sh" catalog "$catalog" "$asked/entries.json")
"$BASH" "$platform/platform/sources/sources.sh" catalog "$platform/catalog.json" "$asked/catalog.json" >/dev/null

export ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 ANSIBLE_ROLES_PATH="$platform/roles"
ansible-playbook --connection local --inventory localhost, \
  --extra-vars "agent_stage_entries_file=$asked/entries.json agent_stage_catalog_file=$asked/catalog.json" \
  --extra-vars "agent_stage_folder=$stage" \
  -- "$platform/platform/stage-catalog.yml" || {
  [[ -z $mirror ]] || echo "stage: $mirror must have each tool as SHA256/FILE; the tool that failed is named above" >&2
  exit 1
}

# The check, by another tool than the one that downloaded: every file has its digest in the list, no file is missing in
# the list, and no file is executable.
cd -- "$stage"
listed=
if [[ -s SHA256SUMS ]]; then
  sha256sum --check --strict SHA256SUMS
  listed=$(cut --characters=67- SHA256SUMS | sort --unique)
fi
found=$(find . -mindepth 2 ! -type d -printf '%P\n' | sort)
if [[ $listed != "$found" ]]; then
  printf 'stage: these files are staged:\n%s\nand these are listed in SHA256SUMS:\n%s\n' "$found" "$listed" >&2
  exit 1
fi
if [[ -n $(find . -type f -perm /0111 -print -quit) ]]; then
  echo "stage: a staged file could be run: $(find . -type f -perm /0111 -print -quit)" >&2
  exit 1
fi
