#!/usr/bin/env bash
# Once, on server A, when pair.yaml runs on both servers and third.yaml on the third: makes the stores
# one. A second run finds it done.
set -euo pipefail
cd "$(dirname "$0")"
set -a
# shellcheck disable=SC1091
source .env
set +a
: "${HERE:?}" "${SERVER_A:?}" "${SERVER_B:?}" "${THIRD:?}"
if [ "$HERE" != "$SERVER_A" ]; then
  echo "This is $HERE; run it on server A ($SERVER_A)" >&2
  exit 1
fi
compose() { docker compose -f pair.yaml "$@"; }

echo "MongoDB: one replica set of three members, and its user"
compose exec -T -e MEMBERS="$SERVER_A:27017,$SERVER_B:27017,$THIRD:27017" mongo mongosh --quiet --norc /smart-beer/join.js

echo "Cassandra: the bridge's role, and the logins on every member"
compose run --rm -T cassandra-roles
# A copy that was not there yet has none of the roles until it is repaired; server A has part in all.
compose exec -T cassandra nodetool repair --full system_auth

echo "Redis: one server follows the other"
ask() { compose exec -T sentinel sh /smart-beer/ask.sh "$@"; }
# Not simply B after A: the Sentinels may have changed the roles since the first run.
master=$(ask 127.0.0.1 26379 SENTINEL get-master-addr-by-name smart-beer | sed -n 1p)
if [ "$master" = "$SERVER_A" ]; then other=$SERVER_B; else other=$SERVER_A; fi
if [ "$(ask "$other" 6379 ROLE | sed -n 1p)" = master ]; then ask "$other" 6379 REPLICAOF "$master" 6379; fi
echo "$other follows $master"
