#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 5 of 13: platform: platform/before/20-stage-catalog.sh'
kept=(HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)
kept+=(SUDO_USER="${SUDO_USER:-}")
kept+=(IMAGEFACTORY_BUILD=payments-api.0123456789ab.2)
kept+=(IMAGEFACTORY_BUNDLE=/run/imagefactory/bundle)
kept+=(IMAGEFACTORY_CATALOG=/run/imagefactory/catalog.json)
kept+=(IMAGEFACTORY_IMAGE=payments-api)
kept+=(IMAGEFACTORY_PLATFORM=/run/imagefactory/platform)
kept+=(IMAGEFACTORY_ROOT=/run/imagefactory)
kept+=(IMAGEFACTORY_TOOLS=/run/imagefactory/tools)
cd -- /run/imagefactory/platform
if [ -x /run/imagefactory/platform/platform/before/20-stage-catalog.sh ]; then exec /usr/bin/env -i "${kept[@]}" /run/imagefactory/platform/platform/before/20-stage-catalog.sh; fi
exec /usr/bin/env -i "${kept[@]}" /bin/bash /run/imagefactory/platform/platform/before/20-stage-catalog.sh
