#!/bin/sh
# restore.sh BASE WAL POINT DATA
# Makes a cluster in DATA, an empty or new folder: the base backup BASE, and the archive WAL up to POINT, a time such as
# "2026-11-27 12:00:00+05", or `latest`. Start PostgreSQL on it: it replays the log up to the point and then takes work.
# Run it as the user who is to run PostgreSQL. The old cluster is not touched; it must not run any more.
set -eu
base=$1 wal=$2 point=$3 data=$4

mkdir -p "$data"
if [ -n "$(ls -A "$data")" ]; then
    echo "restore.sh: $data is not empty" >&2
    exit 1
fi
chmod 700 "$data"
cp -R "$base/." "$data"
cat >>"$data/postgresql.auto.conf" <<END
restore_command = 'cp "$wal/%f" "%p"'
archive_mode = 'off'
END
if [ "$point" != latest ]; then
    cat >>"$data/postgresql.auto.conf" <<END
recovery_target_time = '$point'
recovery_target_action = 'promote'
END
fi
touch "$data/recovery.signal"
