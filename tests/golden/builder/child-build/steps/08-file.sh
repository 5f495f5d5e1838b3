#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 8 of 13: file: files/app.conf'
mode=0644
if [ -x /run/imagefactory/bundle/files/app.conf ]; then mode=0755; fi
install -D -T -m "$mode" -o root -g root -- /run/imagefactory/bundle/files/app.conf /etc/app.conf
cmp --silent -- /run/imagefactory/bundle/files/app.conf /etc/app.conf
