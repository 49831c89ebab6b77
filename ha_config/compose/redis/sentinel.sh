#!/bin/sh
# Starts a Sentinel as a user of its own. It keeps what it learns in its file, which is made once:
# after a change of the members or of the password remove it, and the Sentinel learns anew.
set -eu
umask 077
data=${DATA:-/data}
password=$(cat "${SECRETS:-/run/secrets}/redis-password")
if [ ! -e "$data/sentinel.conf" ]; then
  cat >"$data/sentinel.conf.new" <<CONF
port 26379
dir $data
requirepass $password
sentinel sentinel-pass $password
sentinel resolve-hostnames yes
sentinel announce-ip $HERE
sentinel monitor smart-beer $MASTER 6379 2
sentinel auth-pass smart-beer $password
sentinel down-after-milliseconds smart-beer 5000
sentinel failover-timeout smart-beer 15000
CONF
  mv "$data/sentinel.conf.new" "$data/sentinel.conf"
fi
chown -R redis:redis "$data"
exec setpriv --reuid=redis --regid=redis --clear-groups redis-sentinel "$data/sentinel.conf"
