#!/usr/bin/env bash
# env.sh integration|oldest|e2e|buildkit|demo prints, as export lines for eval, the variables the tests of that kind read, and first
# makes what they name: programs for integration, those of an old Kubernetes for oldest, also the cluster and its images for e2e.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# program VARIABLE NAME
program() {
	local path
	path=$("$here/binaries.sh" "$2")
	printf 'export %s=%q\n' "$1" "$path"
}

# image VARIABLE NAME
image() {
	local name
	name=$("$here/image.sh" "$2")
	printf 'export %s=%q\n' "$1" "$name"
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
	;;
integration)
	"$here/tools.sh" aws zstd jq
	program EPILOGUE_TEST_ETCD etcd
	program EPILOGUE_TEST_VERSITYGW versitygw
	program EPILOGUE_TEST_APISERVER kube-apiserver
	program EPILOGUE_TEST_CONTROLLER_MANAGER kube-controller-manager
	program EPILOGUE_TEST_PROMETHEUS prometheus
	program EPILOGUE_TEST_PROMTOOL promtool
	program EPILOGUE_TEST_HELM helm
	;;
e2e | buildkit | demo)
	[ "$1" = demo ] || "$here/tools.sh" jq
	"$here/up.sh" >/dev/null
	printf 'export KUBECONFIG=%q\n' "$kubeconfig"
	program EPILOGUE_E2E_KUBECTL kubectl
	program EPILOGUE_E2E_HELM helm
	image EPILOGUE_E2E_S3_IMAGE versitygw
	image EPILOGUE_E2E_IMAGE daemon
	image EPILOGUE_E2E_SAMPLE_IMAGE sample
	[ "$1" != demo ] || exit 0 # it builds no images
	image EPILOGUE_E2E_BUILDER_IMAGE builder
	image EPILOGUE_E2E_REGISTRY_IMAGE registry
	[ "$1" = buildkit ] || exit 0
	image EPILOGUE_E2E_BUILDKIT_IMAGE buildkit
	;;
*) die "env.sh: got \"${1:-}\", want integration, oldest, e2e, buildkit or demo" ;;
esac
