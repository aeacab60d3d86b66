#!/bin/bash
# Starts a member. mongod wants a key file that only its owner may read, which no
# mounted Secret is; and only the first member, which begins the set, makes the root
# user, because the others must be empty to join.
set -euo pipefail
rm -f /run/mongodb/keyfile /run/mongodb/server.pem # of a container before this one
install -m 0400 /run/secrets/mongodb-admin/keyfile /run/mongodb/keyfile
if [[ "$HOSTNAME" == *-0 ]]; then
  export MONGO_INITDB_ROOT_USERNAME=root
  export MONGO_INITDB_ROOT_PASSWORD_FILE=/run/secrets/mongodb-admin/root-password
fi
tls=()
if [[ -e /run/secrets/tls/tls.crt ]]; then # the component tls; mongod wants both in one file
  (umask 0377 && cat /run/secrets/tls/tls.crt /run/secrets/tls/tls.key >/run/mongodb/server.pem)
  tls=(--tlsMode requireTLS --tlsCertificateKeyFile /run/mongodb/server.pem --tlsCAFile /run/secrets/tls/ca.crt --tlsAllowConnectionsWithoutCertificates)
fi
exec docker-entrypoint.sh mongod --replSet rs0 --bind_ip_all --keyFile /run/mongodb/keyfile --wiredTigerCacheSizeGB "$CACHE_GB" "${tls[@]}"
