#!/usr/bin/env bash
# roles.sh HOST [COPIES] - once, after the first start: a role of the bridge's own, and no more role
# that everybody knows; with COPIES the roles are kept by so many nodes. A second run finds it done.
set -euo pipefail
host=${1:?roles.sh HOST [COPIES]}
copies=${2:-}
umask 077
# cqlsh reads passwords and statements from files: its command line is for everybody to see.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
password=$(cat "${SECRETS:-/run/secrets}/cassandra-password")
printf '[PlainTextAuthProvider]\nusername = smart_beer\npassword = %s\n' "$password" >"$work/smart_beer"
printf '[PlainTextAuthProvider]\nusername = cassandra\npassword = cassandra\n' >"$work/cassandra"
run() { # run ROLE STATEMENT
  printf '%s;\n' "$2" >"$work/statement"
  cqlsh --credentials="$work/$1" -f "$work/statement" "$host"
}
enters() { run "$1" 'SELECT key FROM system.local' >/dev/null 2>&1; }

for ((tries = 0; ; tries++)); do
  if enters smart_beer; then break; fi
  if enters cassandra; then
    run cassandra "CREATE ROLE IF NOT EXISTS smart_beer WITH PASSWORD = '$password' AND SUPERUSER = true AND LOGIN = true"
    break
  fi
  if [ "$tries" = 60 ]; then
    echo "Cassandra at $host lets neither smart_beer nor its first role in: see its log, and whether secrets/cassandra-password is the one it was set up with" >&2
    exit 1
  fi
  echo "waiting for Cassandra at $host"
  sleep "${PAUSE:-5}"
done
# Also when the role was there: the run that made it may have ended before this.
random=$(head -c 24 /dev/urandom | base64 | tr -d '+/=\n')
run smart_beer "ALTER ROLE cassandra WITH PASSWORD = '$random' AND SUPERUSER = false AND LOGIN = false"
if [ -n "$copies" ]; then
  run smart_beer "ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', 'brewery': $copies}"
fi
echo "smart_beer is the only role that can log in"
