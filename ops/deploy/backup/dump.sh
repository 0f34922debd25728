#!/bin/sh
# dump.sh DSN TO
# The centre's database at one instant in one file, taken while it works, for another server or another major version.
# Restore: pg_restore --dbname=DSN --exit-on-error FILE, into an empty database. PGBIN as in base-backup.sh.
set -eu
dsn=$1 to=$2
file="$to/jedel-$(date -u +%Y%m%dT%H%M%SZ).dump"

"${PGBIN:+$PGBIN/}pg_dump" --dbname="$dsn" --format=custom --file="$file.part" --no-password
"${PGBIN:+$PGBIN/}pg_restore" --list "$file.part" >/dev/null
sync "$file.part"
mv "$file.part" "$file"
echo "$file"
