#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 6 of 12: platform: platform/roots/30-hardening.yml'
kept=(HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)
kept+=(SUDO_USER="${SUDO_USER:-}")
kept+=(ANSIBLE_LOCAL_TEMP=/run/imagefactory/ansible)
kept+=(ANSIBLE_NOCOLOR=1)
kept+=(ANSIBLE_REMOTE_TEMP=/run/imagefactory/ansible)
kept+=(ANSIBLE_RETRY_FILES_ENABLED=0)
kept+=(ANSIBLE_ROLES_PATH=/run/imagefactory/platform/roles:/run/imagefactory/platform/roles)
kept+=(IMAGEFACTORY_BUILD=rhel9-base.3fa9c1d20b77.1)
kept+=(IMAGEFACTORY_BUNDLE=/run/imagefactory/bundle)
kept+=(IMAGEFACTORY_CATALOG=/run/imagefactory/catalog.json)
kept+=(IMAGEFACTORY_IMAGE=rhel9-base)
kept+=(IMAGEFACTORY_PLATFORM=/run/imagefactory/platform)
kept+=(IMAGEFACTORY_ROOT=/run/imagefactory)
kept+=(IMAGEFACTORY_TOOLS=/run/imagefactory/tools)
cd -- /run/imagefactory/platform
exec /usr/bin/env -i "${kept[@]}" ansible-playbook --connection local --inventory localhost, -- platform/roots/30-hardening.yml
