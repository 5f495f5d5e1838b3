#!/bin/sh
# Written by Image Factory for one run. It runs in the builder's container.
printf '%s\n' 'imagefactory: step 1 of 2: platform: ports'
exec python3 probe.py "$IMAGEFACTORY_HOST" ports-asked.json ports-found.json
