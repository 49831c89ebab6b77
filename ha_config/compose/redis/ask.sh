#!/bin/sh
# ask.sh HOST PORT COMMAND... - asks a Redis or a Sentinel; its password goes through a pipe, as it
# must be neither on a command line nor in an environment.
set -eu
host=$1 port=$2
shift 2
{
  printf 'AUTH %s\n' "$(cat "${SECRETS:-/run/secrets}/redis-password")"
  printf '%s\n' "$*"
} | redis-cli -h "$host" -p "$port" | tail -n +2
