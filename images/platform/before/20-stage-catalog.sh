#!/usr/bin/env bash
# Stages the tools that the definition names (spec.build.catalog): each file, which the builder has sent from the
# factory's own storage, is verified by its SHA-256 and laid down as /opt/stage/Tools/ID/VERSION/FILE. Nothing is
# downloaded, installed, made executable, started or enrolled.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
catalog=${IMAGEFACTORY_CATALOG:?}
tools=${IMAGEFACTORY_TOOLS:?the builder is older than these platform steps: see docs/operations.md, upgrade}
stage=${IMAGEFACTORY_STAGE:-/opt/stage/Tools}

export ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 ANSIBLE_ROLES_PATH="$platform/roles"
ansible-playbook --connection local --inventory localhost, \
  --extra-vars "agent_stage_entries_file=$catalog agent_stage_tools=$tools agent_stage_folder=$stage" \
  -- "$platform/platform/stage-catalog.yml"

# The check, by another tool than the one that compared: every file has its digest in the list, no file is missing in
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
