#!/bin/bash
# Starts a member. mongod wants a key file that only its owner may read, which no
# mounted Secret is; and only the first member, which begins the set, makes the root
# user, because the others must be empty to join.
set -euo pipefail
install -m 0400 /run/secrets/mongodb-admin/keyfile /run/mongodb/keyfile
if [[ "$HOSTNAME" == *-0 ]]; then
  export MONGO_INITDB_ROOT_USERNAME=root
  export MONGO_INITDB_ROOT_PASSWORD_FILE=/run/secrets/mongodb-admin/root-password
fi
exec docker-entrypoint.sh mongod --replSet rs0 --bind_ip_all --keyFile /run/mongodb/keyfile --wiredTigerCacheSizeGB "$CACHE_GB"
