#!/usr/bin/env bash
# check.sh makes all of a release that needs neither registry nor key, into dist/: programs for every platform, archives, their
# sums, a bill of materials of each program, krew's manifest, chart and install.yaml. Then it looks at them. Some minutes; the
# first time it also builds goreleaser, which takes as long.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/bin/tools
mkdir -p "$tools"
for name in goreleaser cyclonedx-gomod; do ln -sf "$(e2e/cluster/binaries.sh $name)" "$tools/$name"; done
export PATH=$tools:$PATH

goreleaser check
goreleaser release --snapshot --clean --skip=docker,sign
cd dist
sha256sum --quiet -c SHA256SUMS

# krew installs what the sums say.
sums=$(sed -n 's/^ *sha256: //p' krew/epilogue.yaml)
[ "$(wc -l <<<"$sums")" = 4 ] || { echo "krew/epilogue.yaml: want 4 platforms, got: $sums" >&2; exit 1; }
for sum in $sums; do
	archive=$(sed -n "s/^$sum  //p" SHA256SUMS)
	[[ $archive == kubectl-epilogue_* ]] || { echo "krew/epilogue.yaml: $sum is the sum of \"$archive\", want an archive of kubectl-epilogue" >&2; exit 1; }
	tar -tzf "$archive" kubectl-epilogue LICENSE >/dev/null
done

for bill in *.cdx.json; do
	grep -q '"pkg:golang/k8s.io/client-go@' "$bill" || { echo "$bill: does not name client-go" >&2; exit 1; }
done
cd ..
EPILOGUE_TEST_PROGRAMS=$(echo "$PWD"/dist/epilogue_linux_*/epilogue) go test -tags e2e -count=1 -run TestProgram ./deploy
ls -l dist
