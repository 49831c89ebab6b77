#!/usr/bin/env bash
# Starts Cassandra so that what it acknowledges survives its end, and so that it asks who one is.
# Its own default, a commit log synced every ten seconds, loses acknowledged rows when it is killed.
set -euo pipefail
file=${CASSANDRA_CONF:-/etc/cassandra}/cassandra.yaml
if ! grep -q '^commitlog_sync:' "$file" || ! grep -q '^authenticator:' "$file"; then
  echo "$file says nothing of commitlog_sync and authenticator: it is not Cassandra 5's" >&2
  exit 1
fi
# A setting there may be a line or, as authenticator is, a block of lines: take it out as a whole.
kept=$(awk '
  /^[a-z]/ { name = $0; sub(/ *:.*/, "", name); ours = name ~ /^(authenticator|authorizer|commitlog_sync(_group_window|_period)?)$/ }
  !ours || /^#/
' "$file")
cat >"$file" <<CONF
$kept
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
commitlog_sync: group
commitlog_sync_group_window: 15ms
CONF
exec docker-entrypoint.sh cassandra -f
