#!/usr/bin/env bash
# check.sh makes all of a release that needs neither registry nor key, into dist/: programs for every platform, archives, their
# sums, a bill of materials of each program, krew's manifest, chart and install.yaml. Then tests look at them. Two minutes of a processor where
# all is compiled already, ten where nothing is; the first time it also builds goreleaser, which takes as long.
set -euo pipefail
. "$(dirname "$0")/../e2e/cluster/lib.sh"
. "$here/engine.sh"
cd "$root"
[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed: a release is made of a commit"
engine_up # one of the tests runs the image

tools=$root/bin/tools
mkdir -p "$tools"
for name in goreleaser cyclonedx-gomod; do ln -sf "$("$here/binaries.sh" $name)" "$tools/$name"; done
export PATH=$tools:$PATH

goreleaser check
goreleaser release --snapshot --clean --skip=docker,sign
# A release uploads these from where they are; a snapshot leaves them there.
cp bin/release/* dist/
(cd dist && sha256sum --quiet -c SHA256SUMS)
EPILOGUE_TEST_PROGRAMS=$(echo "$PWD"/dist/epilogue_linux_*/epilogue) \
	go test -tags e2e,release -count=1 -run 'TestProgram|TestReleased|TestKrewManifest|TestBillsOfMaterials' ./deploy
ls -l dist
