#!/usr/bin/env bash
# Downloads the tools that the definition names (spec.build.catalog), verifies each by its SHA-256 and lays it down
# below /opt/imagefactory/catalog. Nothing is installed, started or enrolled.
set -euo pipefail

platform=${IMAGEFACTORY_PLATFORM:?}
catalog=${IMAGEFACTORY_CATALOG:?}
sums=/opt/imagefactory/catalog/SHA256SUMS

export ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 ANSIBLE_ROLES_PATH="$platform/roles"
ansible-playbook --connection local --inventory localhost, \
  --extra-vars "agent_stage_entries_file=$catalog agent_stage_catalog_file=$platform/catalog.json" \
  -- "$platform/platform/stage-catalog.yml"

# The check, by another tool than the one that downloaded: every file has its digest.
if [[ -s $sums ]]; then
  cd /opt/imagefactory/catalog
  sha256sum --check --strict "$sums"
fi
