#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 2 of 8: platform: platform/before/20-stage-catalog.sh'
export IMAGEFACTORY_BUILD=payments-api.0123456789ab.2
export IMAGEFACTORY_BUNDLE=/run/imagefactory/bundle
export IMAGEFACTORY_CATALOG=/run/imagefactory/catalog.json
export IMAGEFACTORY_IMAGE=payments-api
export IMAGEFACTORY_PLATFORM=/run/imagefactory/platform
export IMAGEFACTORY_ROOT=/run/imagefactory
cd -- /run/imagefactory/platform
if [ -x /run/imagefactory/platform/platform/before/20-stage-catalog.sh ]; then exec /run/imagefactory/platform/platform/before/20-stage-catalog.sh; fi
exec /bin/bash /run/imagefactory/platform/platform/before/20-stage-catalog.sh
