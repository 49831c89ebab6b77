#!/usr/bin/env bash
# Starts mongod as a member that waits to be joined. It makes no user: a member that has data of its
# own is not taken into a replica set, so join.js makes the user, once, in the set.
set -euo pipefail
# mongod wants its key file as its own, readable by nobody else.
install -o mongodb -g mongodb -m 0400 /run/secrets/mongo-keyfile /data/configdb/keyfile
exec docker-entrypoint.sh mongod --replSet smart-beer --keyFile /data/configdb/keyfile \
  --bind_ip_all --wiredTigerCacheSizeGB 0.5
