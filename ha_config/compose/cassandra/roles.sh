#!/usr/bin/env bash
# Once, after the first start: a role of the bridge's own, and no more role that everybody knows.
set -euo pipefail
host=${1:?roles.sh HOST}
password=$(cat /run/secrets/cassandra-password)
if cqlsh "$host" -u smart_beer -p "$password" -e 'SELECT key FROM system.local' >/dev/null 2>&1; then
  echo "the role smart_beer is there"
  exit 0
fi
until cqlsh "$host" -u cassandra -p cassandra -e 'SELECT key FROM system.local' >/dev/null 2>&1; do
  echo "waiting for Cassandra at $host"
  sleep 5
done
cqlsh "$host" -u cassandra -p cassandra -e "CREATE ROLE IF NOT EXISTS smart_beer WITH PASSWORD = '$password' AND SUPERUSER = true AND LOGIN = true"
random=$(head -c 24 /dev/urandom | base64 | tr -d '+/=\n')
cqlsh "$host" -u smart_beer -p "$password" -e "ALTER ROLE cassandra WITH PASSWORD = '$random' AND SUPERUSER = false AND LOGIN = false"
echo "the role smart_beer was made; cassandra cannot log in any more"
