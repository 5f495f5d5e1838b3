#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 6 of 13: shell: scripts/install.sh'
export JAVA_VERSION=21
cd -- /run/imagefactory/bundle
if [ -x /run/imagefactory/bundle/scripts/install.sh ]; then exec /run/imagefactory/bundle/scripts/install.sh; fi
exec /bin/bash /run/imagefactory/bundle/scripts/install.sh
