{{- define "epilogue.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "epilogue.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "epilogue.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "epilogue.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "epilogue.selectorLabels" -}}
app.kubernetes.io/name: {{ include "epilogue.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "epilogue.labels" -}}
{{ include "epilogue.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "epilogue.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "epilogue.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is empty: with serviceAccount.create=false it must name an account that exists" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "epilogue.watched" -}}
{{- required (printf "namespace is empty: want the namespace of the Jobs; a release that watches its own has namespace=%s" .Release.Namespace) .Values.namespace -}}
{{- end }}

{{- /* The Role stands in the watched namespace, where another release may have one of the same name. */ -}}
{{- define "epilogue.roleName" -}}
{{- if eq (include "epilogue.watched" .) .Release.Namespace -}}
{{- include "epilogue.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "epilogue.fullname" .) | trunc 253 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* Another name than the one above: both may stand in one namespace. */ -}}
{{- define "epilogue.leaseRoleName" -}}
{{- printf "%s-leases" (include "epilogue.fullname" .) -}}
{{- end }}

{{- /* Not empty where the daemon asks the API server about others: about who comes to its API, or who scrapes it. */ -}}
{{- define "epilogue.reviews" -}}
{{- $auth := list (.Values.environment.EPILOGUE_METRICS_AUTH) (.Values.secretEnvironment.EPILOGUE_METRICS_AUTH) -}}
{{- if or .Values.api.enabled (has "kubernetes" $auth) (contains "--metrics-auth=kubernetes" (join "=" .Values.extraArgs)) }}true{{ end -}}
{{- end }}

{{- /* A ClusterRole has no namespace: its name tells the releases apart. */ -}}
{{- define "epilogue.reviewRoleName" -}}
{{- printf "%s-%s-reviews" .Release.Namespace (include "epilogue.fullname" .) -}}
{{- end }}

{{- define "epilogue.clusterRoleName" -}}
{{- printf "%s-%s-cluster" .Release.Namespace (include "epilogue.fullname" .) -}}
{{- end }}

{{- /* What stands outside the release's namespace goes with it: the garbage collector takes it when the namespace is gone. Its UID
     must be asked for: `helm template` and a namespace that this very `helm install` makes have none yet. */ -}}
{{- define "epilogue.ownedByNamespace" -}}
{{- with lookup "v1" "Namespace" "" .Release.Namespace }}
  ownerReferences:
    - apiVersion: v1
      kind: Namespace
      name: {{ .metadata.name }}
      uid: {{ .metadata.uid }}
{{- end }}
{{- end }}

{{- define "epilogue.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}
