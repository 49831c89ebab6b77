#!/usr/bin/env bash
# Once, on server A, when pair.yaml runs on both servers, and third.yaml on the third where there is
# one: makes the stores one. A second run finds it done, or takes in a third that has come since.
set -euo pipefail
cd "$(dirname "$0")"
set -a
# shellcheck disable=SC1091
source .env
set +a
: "${HERE:?}" "${SERVER_A:?}" "${SERVER_B:?}"
THIRD=${THIRD:-}
if [ "$HERE" != "$SERVER_A" ]; then
  echo "This is $HERE; run it on server A ($SERVER_A)" >&2
  exit 1
fi
compose() { docker compose -f pair.yaml "$@"; }

echo "MongoDB: one replica set, and its user"
compose exec -T -e MEMBERS="$SERVER_A:27017,$SERVER_B:27017${THIRD:+,$THIRD:27017}" mongo mongosh --quiet --norc /smart-beer/join.js

echo "Cassandra: the bridge's role, and the logins on every member"
# A role that is made before the members have found each other is on one of them alone.
members=2
if [ -n "$THIRD" ]; then members=3; fi
for ((tries = 0; ; tries++)); do
  seen=$(compose exec -T cassandra nodetool status | grep -c '^UN') || true
  if [ "$seen" -ge "$members" ]; then break; fi
  if [ "$tries" = 60 ]; then
    echo "Cassandra sees $seen of $members members: see to it that each runs and reaches the others at port 7000 (UJ in nodetool status: it still fetches its copies), and run this again" >&2
    exit 1
  fi
  echo "waiting until Cassandra sees $members members; it sees $seen"
  sleep "${PAUSE:-5}"
done
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
if [ -z "$THIRD" ]; then
  echo "There is no third member: while a server is away warm and cold wait, and Redis does not fail over"
fi
