#!/usr/bin/env bash
# env.sh integration|oldest|e2e|buildkit|demo|stores [SERVER...] prints, as export lines for eval, the variables the tests of that
# kind read, and first makes what they name: programs for integration, those of an old Kubernetes for oldest, S3 servers for stores,
# also the cluster and its images for e2e.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# program VARIABLE NAME; the demo is one of this repository.
program() {
	local path from=binaries.sh
	case $2 in
	demo) from=ours.sh ;;
	python | browser | node | fzstd) from=readers.sh ;;
	esac
	path=$("$here/$from" "$2")
	printf 'export %s=%q\n' "$1" "$path"
}

# readers are what log objects are read with beside `zstd`.
readers() {
	"$here/readers.sh" python browser node fzstd >/dev/null
	program EPILOGUE_TEST_PYTHON python
	program EPILOGUE_TEST_BROWSER browser
	program EPILOGUE_TEST_NODE node
	program EPILOGUE_TEST_FZSTD fzstd
}

# images VARIABLE=NAME...
images() {
	local names line pair=("$@")
	names=$("$here/image.sh" "${@#*=}")
	while read -r line; do
		printf 'export %s=%q\n' "${pair[0]%%=*}" "$line"
		pair=("${pair[@]:1}")
	done <<<"$names"
}

case ${1:-} in
oldest)
	"$here/tools.sh" aws zstd jq
	program EPILOGUE_TEST_ETCD etcd
	program EPILOGUE_TEST_VERSITYGW versitygw
	program EPILOGUE_TEST_APISERVER oldest-kube-apiserver
	program EPILOGUE_TEST_CONTROLLER_MANAGER oldest-kube-controller-manager
	# Then an API server refuses a request that asks for it, where newer ones always do.
	printf 'export EPILOGUE_TEST_APISERVER_FLAGS=%q\n' --feature-gates=ServerSideFieldValidation=true
	readers
	;;
stores)
	shift
	[ $# -gt 0 ] || set -- versitygw rclone gofakes3 weed minio
	for server in "$@"; do
		program "EPILOGUE_TEST_${server^^}" "$server"
	done
	;;
integration)
	"$here/tools.sh" aws zstd jq
	"$here/binaries.sh" etcd versitygw kube-apiserver kube-controller-manager prometheus promtool helm >/dev/null # by one build
	program EPILOGUE_TEST_ETCD etcd
	program EPILOGUE_TEST_VERSITYGW versitygw
	program EPILOGUE_TEST_APISERVER kube-apiserver
	program EPILOGUE_TEST_CONTROLLER_MANAGER kube-controller-manager
	program EPILOGUE_TEST_PROMETHEUS prometheus
	program EPILOGUE_TEST_PROMTOOL promtool
	program EPILOGUE_TEST_HELM helm
	readers
	;;
demo)
	export EPILOGUE_BAR=yes
	EPILOGUE_BESIDE="daemon sample demo" "$here/up.sh" >/dev/null
	printf 'export KUBECONFIG=%q\n' "$kubeconfig"
	program EPILOGUE_E2E_KUBECTL kubectl
	images EPILOGUE_E2E_S3_IMAGE=versitygw EPILOGUE_E2E_IMAGE=daemon EPILOGUE_E2E_SAMPLE_IMAGE=sample
	program EPILOGUE_DEMO demo
	;;
e2e | buildkit)
	"$here/tools.sh" jq
	EPILOGUE_BESIDE="daemon sample builder" "$here/up.sh" >/dev/null
	"$here/binaries.sh" kubectl helm versitygw registry >/dev/null # by one build
	[ -z "${EPILOGUE_ENGINE:-}" ] || printf 'export DOCKER_HOST=unix://%q/docker.sock\n' "$EPILOGUE_ENGINE" # the tests kill and pause in the node
	printf 'export KUBECONFIG=%q\n' "$kubeconfig"
	program EPILOGUE_E2E_KUBECTL kubectl
	program EPILOGUE_E2E_HELM helm
	images EPILOGUE_E2E_S3_IMAGE=versitygw EPILOGUE_E2E_IMAGE=daemon EPILOGUE_E2E_SAMPLE_IMAGE=sample \
		EPILOGUE_E2E_BUILDER_IMAGE=builder EPILOGUE_E2E_REGISTRY_IMAGE=registry
	[ "$1" = buildkit ] || exit 0
	images EPILOGUE_E2E_BUILDKIT_IMAGE=buildkit
	;;
*) die "env.sh: got \"${1:-}\", want integration, oldest, e2e, buildkit, demo or stores" ;;
esac
