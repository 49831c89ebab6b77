#!/bin/sh
# Starts Redis as a user of its own. Its password is in a file that it reads: on its command line
# every user of the computer would see it.
set -eu
umask 077
folder=${FOLDER:-/run/redis} data=${DATA:-/data}
password=$(cat "${SECRETS:-/run/secrets}/redis-password")
mkdir -p "$folder"
# Made anew at every start. A Sentinel that changes the roles writes its will into this file, and
# tells it again to a Redis that comes back without it.
# The hot tier is a cache: when it is full, the minutes that end soonest go first. What it may take
# is well below the container's memory: while it writes its file anew, what changes is there twice.
cat >"$folder/redis.conf" <<CONF
dir $data
requirepass $password
masterauth $password
appendonly yes
appendfsync everysec
save ""
maxmemory 384mb
maxmemory-policy volatile-ttl
${HERE:+replica-announce-ip $HERE}
CONF
chown -R redis:redis "$folder" "$data"
exec setpriv --reuid=redis --regid=redis --clear-groups redis-server "$folder/redis.conf"
