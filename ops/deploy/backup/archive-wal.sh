#!/bin/sh
# archive_command of PostgreSQL: archive-wal.sh %p %f TO
# Keeps one finished segment of the write-ahead log. Never replaces one that differs, and says done only when it is on disk.
set -eu
segment=$1 name=$2 to=$3

if [ -e "$to/$name" ]; then
    # PostgreSQL asks again where it died before it had noted our answer.
    cmp -s "$segment" "$to/$name"
    exit
fi
cp "$segment" "$to/.$name"
sync "$to/.$name"
mv "$to/.$name" "$to/$name"
sync "$to"
