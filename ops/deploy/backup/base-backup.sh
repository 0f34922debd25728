#!/bin/sh
# base-backup.sh DSN TO
# A copy of the whole cluster, taken while it works: what a restore to any later point begins with. Checked before it counts.
# PGBIN is the folder of PostgreSQL's programs, of the server's own major version.
set -eu
dsn=$1 to=$2
name=$(date -u +%Y%m%dT%H%M%SZ)

"${PGBIN:+$PGBIN/}pg_basebackup" --dbname="$dsn" --pgdata="$to/.$name" --checkpoint=fast --wal-method=none --no-password
# The log that belongs to it is in the archive; a restore needs it and says so where it is missing.
"${PGBIN:+$PGBIN/}pg_verifybackup" --quiet --no-parse-wal "$to/.$name"
sync
mv "$to/.$name" "$to/$name"
echo "$to/$name"
