#!/usr/bin/env bash
# Once, on server A, when pair.yaml runs on both servers and third.yaml on the third: makes the stores
# one. A second run finds it done.
set -euo pipefail
cd "$(dirname "$0")"
set -a
# shellcheck disable=SC1091
source .env
set +a
: "${SERVER_A:?}" "${SERVER_B:?}" "${THIRD:?}"
compose() { docker compose -f pair.yaml "$@"; }

echo "MongoDB: one replica set of three members"
compose exec -T mongo bash -c "mongosh --quiet -u smart_beer -p \"\$(cat /run/secrets/mongo-password)\" --eval '
  try { rs.status() } catch (error) {
    if (error.codeName !== \"NotYetInitialized\") throw error;
    rs.initiate({_id: \"smart-beer\", members: [
      {_id: 0, host: \"$SERVER_A:27017\", priority: 2}, {_id: 1, host: \"$SERVER_B:27017\"}, {_id: 2, host: \"$THIRD:27017\", priority: 0.5}]})
  }'"

echo "Cassandra: the logins on every member, and the bridge's role"
docker run --rm --network host -v "$PWD/cassandra:/smart-beer:ro" -v "$PWD/secrets/cassandra-password:/run/secrets/cassandra-password:ro" \
  --entrypoint bash cassandra:5.0 /smart-beer/roles.sh "$SERVER_A"
docker run --rm --network host -v "$PWD/secrets/cassandra-password:/run/secrets/cassandra-password:ro" --entrypoint bash cassandra:5.0 -c \
  "cqlsh '$SERVER_A' -u smart_beer -p \"\$(cat /run/secrets/cassandra-password)\" -e \"ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', 'brewery': 3}\""

echo "Redis: server B follows server A"
docker run --rm --network host -v "$PWD/secrets/redis-password:/run/secrets/redis-password:ro" --entrypoint sh redis:8.2 -c \
  "REDISCLI_AUTH=\"\$(cat /run/secrets/redis-password)\" redis-cli -h '$SERVER_B' replicaof '$SERVER_A' 6379"
