#!/usr/bin/env bash
# chart.sh VERSION FOLDER packages the chart for a release and renders install.yaml, both with its version: 0.1.0, without a v.
set -euo pipefail
[ $# = 2 ] || { echo "usage: release/chart.sh VERSION FOLDER" >&2; exit 2; }
version=$1 folder=$2
cd "$(dirname "$0")/.."
helm=$(e2e/cluster/binaries.sh helm)
rm -rf "$folder"
mkdir -p "$folder"
"$helm" lint --strict deploy/chart/epilogue >&2
"$helm" package deploy/chart/epilogue --version "$version" --app-version "v$version" -d "$folder"
{
	sed '/^[^#]/,$d' deploy/install.yaml # its head, which says what to change
	"$helm" template epilogue "$folder/epilogue-$version.tgz" -n epilogue -f deploy/install.values.yaml
} >"$folder/install.yaml"
