#!/usr/bin/env bash
# Starts Cassandra so that what it acknowledges survives its end, and so that it asks who one is.
# Its own default, a commit log synced every ten seconds, loses acknowledged rows when it is killed.
set -euo pipefail
file=${CASSANDRA_CONF:-/etc/cassandra}/cassandra.yaml
sed -i \
  -e 's/^commitlog_sync:.*/commitlog_sync: group/' \
  -e 's/^commitlog_sync_period:.*/commitlog_sync_group_window: 15ms/' \
  -e 's/^authenticator:.*/authenticator: PasswordAuthenticator/' \
  -e 's/^authorizer:.*/authorizer: CassandraAuthorizer/' \
  "$file"
for want in 'commitlog_sync: group' 'commitlog_sync_group_window: 15ms' 'authorizer: CassandraAuthorizer'; do
  grep -qxF "$want" "$file" || { echo "$file has no line to turn into '$want': it is not Cassandra 5's" >&2; exit 1; }
done
exec docker-entrypoint.sh cassandra -f
