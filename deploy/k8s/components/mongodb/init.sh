#!/bin/bash
# Runs init.js until it has done its work; the pods may come up later than this.
set -euo pipefail
for _ in $(seq 60); do
  if mongosh --quiet --nodb /scripts/init.js; then exit 0; fi
  sleep 5
done
exit 1
