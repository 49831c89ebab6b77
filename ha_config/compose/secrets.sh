#!/usr/bin/env bash
# Makes the stores' passwords in secrets/, once. What is there already stays as it is.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
random() { head -c 24 /dev/urandom | base64 | tr -d '+/=\n'; }
for name in redis mongo cassandra; do
  if [ ! -e "secrets/$name-password" ]; then random >"secrets/$name-password"; fi
done
# What the members of a replica set know each other by; it takes base64 of 6 to 1024 characters.
if [ ! -e secrets/mongo-keyfile ]; then head -c 96 /dev/urandom | base64 | tr -d '\n' >secrets/mongo-keyfile; fi
if [ ! -e secrets/bridge-token ]; then : >secrets/bridge-token; fi
# Docker hands a file over as it is, and each store reads it as a user of its own: the folder keeps
# everybody else out, not the files' modes.
chmod 0700 secrets
chmod 0644 secrets/* bridge/*
echo "The passwords are in $PWD/secrets. Put the bridge's token into secrets/bridge-token."
