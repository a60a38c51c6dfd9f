#!/usr/bin/env bash
# What: zcat of zutils 1.12, of a file that pzstd 1.5.4 wrote, gives the compressed bytes as they are, with exit code 0 and without a word;
# zgrep finds nothing in it. zcat of a file that zstd wrote gives the text, and so does zcat of pzstd's with --force-format=zst.
# Expected: both files are .zst files of the same text. pzstd begins each frame by a skippable frame with its size, which RFC 8878 (3.1.2) lets
# stand anywhere; zutils knows a zst file by the magic number of a data frame only, and takes everything else for a plain file.
# So: a search over logs that were compressed by pzstd, or as another kind of frames with a skippable one in front, finds nothing and says nothing.
# Debian lets zutils take the place of gzip's zcat and zgrep where it is installed. ztest does notice (exit code 2).
# Needs: Debian 12 on x86-64 with its packages, bash. Nothing is installed.
#
# Seen (zutils 1.12-2, zstd 1.5.4+dfsg2-5+deb12u1):
#   zcat of zstd's: 3893 bytes, the text; exit 0
#   zgrep -c 1000 of zstd's: 1; exit 0
#   zcat of pzstd's: 1673 bytes, the file as it is; exit 0
#   zgrep -c 1000 of pzstd's: 0; exit 1
#   zcat --force-format=zst of pzstd's: 3893 bytes, the text; exit 0
#   ztest of pzstd's: exit 2
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
apt-get -qq download zutils=1.12-2 zstd=1.5.4+dfsg2-5+deb12u1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
export PATH=$dir/root/bin:$dir/root/usr/bin:$PATH

seq 1 1000 >text
zstd -q text -o zstd.zst
pzstd -q -p 1 text -o pzstd.zst

kind() {
	local like=something else=$1
	cmp -s out text && like="the text"
	cmp -s out "$else" && like="the file as it is"
	echo "$(stat -c %s out) bytes, $like"
}
cat_of() { # cat_of FILE NAME OPTION...
	local file=$1 name=$2 status=0
	shift 2
	zcat "$@" "$file" >out || status=$?
	echo "$(echo zcat "$@") of $name: $(kind "$file"); exit $status"
}
grep_of() {
	local status=0 count
	count=$(zgrep -c 1000 "$1") || status=$?
	echo "zgrep -c 1000 of $2: $count; exit $status"
}
{
	cat_of zstd.zst "zstd's"
	grep_of zstd.zst "zstd's"
	cat_of pzstd.zst "pzstd's"
	grep_of pzstd.zst "pzstd's"
	cat_of pzstd.zst "pzstd's" --force-format=zst
	status=0
	ztest pzstd.zst 2>/dev/null || status=$?
	echo "ztest of pzstd's: exit $status"
} >got
cat got
cat >want <<'WANT'
zcat of zstd's: 3893 bytes, the text; exit 0
zgrep -c 1000 of zstd's: 1; exit 0
zcat of pzstd's: 1673 bytes, the file as it is; exit 0
zgrep -c 1000 of pzstd's: 0; exit 1
zcat --force-format=zst of pzstd's: 3893 bytes, the text; exit 0
ztest of pzstd's: exit 2
WANT
diff got want || { echo "this is not what was seen before"; exit 1; }
