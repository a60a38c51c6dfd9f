{{- /* What ServiceMonitor and PodMonitor have in common. The argument: the block of values, and the release as root. */ -}}
{{- define "epilogue.monitorMetadata" -}}
name: {{ include "epilogue.fullname" .root }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "epilogue.labels" .root | nindent 2 }}
  {{- with .values.additionalLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "epilogue.monitorSpec" -}}
namespaceSelector:
  matchNames: [{{ .root.Release.Namespace }}]
selector:
  matchLabels:
    {{- include "epilogue.selectorLabels" .root | nindent 4 }}
{{- if kindIs "bool" .values.scrapeNativeHistograms }}
scrapeNativeHistograms: {{ .values.scrapeNativeHistograms }}
{{- end }}
{{- end }}

{{- define "epilogue.monitorEndpoint" -}}
{{- $endpoint := dict "port" "metrics" "path" "/metrics" -}}
{{- range $name := list "interval" "scrapeTimeout" "honorLabels" "relabelings" "metricRelabelings" -}}
{{- with get $.values $name }}{{ $_ := set $endpoint $name . }}{{ end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $endpoint (deepCopy .values.endpoint)) -}}
{{- end }}
