{{- /* Cluster-scoped objects carry the release's namespace in their names: two releases of one name must not share one. */ -}}
{{- define "epilogue.gateName" -}}
{{- printf "%s-%s-gate" .Release.Namespace (include "epilogue.fullname" .) -}}
{{- end }}

{{- /* "yes" where the policies are wanted, and the API server has their kind (auto) or is said to have it (true). */ -}}
{{- define "epilogue.policies" -}}
{{- $wanted := and (ne .root.Values.gate.mode "never") (not .root.Values.dryRun) -}}
{{- $there := .root.Capabilities.APIVersions.Has (printf "admissionregistration.k8s.io/v1/%s" .kind) -}}
{{- $policies := .root.Values.gate.policies.enabled | toString -}}
{{- if and $wanted (or (eq $policies "true") (and (eq $policies "auto") $there)) }}yes{{ end -}}
{{- end }}
{{- define "epilogue.gateJobs" -}}{{ include "epilogue.policies" (dict "root" . "kind" "MutatingAdmissionPolicy") }}{{- end }}
{{- define "epilogue.gateDeletes" -}}{{ include "epilogue.policies" (dict "root" . "kind" "ValidatingAdmissionPolicy") }}{{- end }}
{{- define "epilogue.gatePods" -}}{{ if .Values.gate.pods.enabled }}{{ include "epilogue.gateJobs" . }}{{ end }}{{- end }}

{{- /* A TTL that is taken over is enforced by the daemon's cleanup, or by nobody. */ -}}
{{- define "epilogue.adoptsTTL" -}}
{{- $cleanup := get .Values.environment "EPILOGUE_CLEANUP" | toString -}}
{{- if and .Values.gate.adoptTTL (not (regexMatch "^(?i)(0|f|false)$" $cleanup)) }}yes{{ end -}}
{{- end }}

{{- /* The namespace that the daemon watches. */ -}}
{{- define "epilogue.gateNamespace" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ include "epilogue.watched" . }}
{{- end }}

{{- /* The Jobs that the daemon watches, and of these only the launched ones where the gate is for them alone. */ -}}
{{- define "epilogue.gateJobSelector" -}}
{{- $terms := include "epilogue.requirements" .Values.selector -}}
{{- if eq .Values.gate.mode "launched-only" -}}
{{- $terms = printf "%s\n- {key: epilogue.dev/kind, operator: Exists}" $terms -}}
{{- end -}}
{{- with trim $terms }}
objectSelector:
  matchExpressions:
    {{- . | nindent 4 }}
{{- end }}
{{- end }}

{{- /* A label selector as kubectl -l takes it, as a list of matchExpressions. */ -}}
{{- define "epilogue.requirements" -}}
{{- range regexFindAll "[^,(]+(\\([^)]*\\))?" . -1 }}
{{- $term := trim . }}
{{- $set := regexFindAll "^(\\S+)\\s+(in|notin)\\s*\\(" $term -1 }}
{{- if $set }}
{{- $key := regexReplaceAll "^(\\S+)\\s+(in|notin)\\s*\\(.*$" $term "${1}" }}
{{- $operator := regexReplaceAll "^(\\S+)\\s+(in|notin)\\s*\\(.*$" $term "${2}" }}
{{- $values := list }}
{{- range regexReplaceAll "^[^(]*\\((.*)\\)$" $term "${1}" | splitList "," }}{{ $values = append $values (trim .) }}{{ end }}
- {key: {{ $key | quote }}, operator: {{ eq $operator "in" | ternary "In" "NotIn" }}, values: {{ toJson $values }}}
{{- else if contains "!=" $term }}
{{- $parts := splitList "!=" $term }}
- {key: {{ index $parts 0 | trim | quote }}, operator: NotIn, values: [{{ index $parts 1 | trim | quote }}]}
{{- else if contains "=" $term }}
{{- $parts := splitList "=" (replace "==" "=" $term) }}
- {key: {{ index $parts 0 | trim | quote }}, operator: In, values: [{{ index $parts 1 | trim | quote }}]}
{{- else if hasPrefix "!" $term }}
- {key: {{ trimPrefix "!" $term | trim | quote }}, operator: DoesNotExist}
{{- else if regexMatch "[<>\\s]" $term }}
{{- fail (printf "selector has the term %q, which admission policies cannot express: want =, !=, in, notin, a key or !key; or set gate.policies.enabled=false" $term) }}
{{- else if $term }}
- {key: {{ $term | quote }}, operator: Exists}
{{- end }}
{{- end }}
{{- end }}

{{- /* The argument is the weight: what the Job needs comes before it. */ -}}
{{- define "epilogue.uninstallHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
