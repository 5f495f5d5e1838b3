#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 1 of 1: platform: verify'
export IMAGEFACTORY_BUILD=payments-api.0123456789ab.2
export IMAGEFACTORY_BUNDLE=/run/imagefactory/bundle
export IMAGEFACTORY_CATALOG=/run/imagefactory/catalog.json
export IMAGEFACTORY_GOSS=/run/imagefactory/bundle/goss.yaml
export IMAGEFACTORY_IMAGE=payments-api
export IMAGEFACTORY_PLATFORM=/run/imagefactory/platform
export IMAGEFACTORY_PROFILE=cis_server_l1
export IMAGEFACTORY_RESULTS=/run/imagefactory/results
export IMAGEFACTORY_ROOT=/run/imagefactory
export IMAGEFACTORY_TAILORING=''
cd -- /run/imagefactory/platform
if [ -x /run/imagefactory/platform/platform/verify/run.sh ]; then exec /run/imagefactory/platform/platform/verify/run.sh /run/imagefactory/bundle/tests/smoke.sh; fi
exec /bin/bash /run/imagefactory/platform/platform/verify/run.sh /run/imagefactory/bundle/tests/smoke.sh
