#!/bin/bash
# Whether a member is ready: hello needs no password, and one that recovers is neither
# primary nor secondary.
set -euo pipefail
tls=()
if [[ -e /run/secrets/tls/ca.crt ]]; then
  tls=(--tls --tlsCAFile /run/secrets/tls/ca.crt --host "$HOSTNAME.mongodb")
fi
exec mongosh "${tls[@]}" --quiet --eval 'const h = db.hello(); quit(h.isWritablePrimary || h.secondary ? 0 : 1)'
