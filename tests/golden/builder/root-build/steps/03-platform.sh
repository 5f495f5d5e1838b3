#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 3 of 7: platform: platform/roots/30-hardening.yml'
export ANSIBLE_LOCAL_TEMP=/run/imagefactory/ansible
export ANSIBLE_NOCOLOR=1
export ANSIBLE_REMOTE_TEMP=/run/imagefactory/ansible
export ANSIBLE_RETRY_FILES_ENABLED=0
export ANSIBLE_ROLES_PATH=/run/imagefactory/platform/roles:/run/imagefactory/platform/roles
export IMAGEFACTORY_BUILD=rhel9-base.3fa9c1d20b77.1
export IMAGEFACTORY_BUNDLE=/run/imagefactory/bundle
export IMAGEFACTORY_CATALOG=/run/imagefactory/catalog.json
export IMAGEFACTORY_IMAGE=rhel9-base
export IMAGEFACTORY_PLATFORM=/run/imagefactory/platform
export IMAGEFACTORY_ROOT=/run/imagefactory
cd -- /run/imagefactory/platform
exec ansible-playbook --connection local --inventory localhost, -- platform/roots/30-hardening.yml
