{{- /* Settings that have a value of their own in the chart. Where `environment` names one too, that one wins. */ -}}
{{- define "epilogue.settings" -}}
{{- $settings := dict
  "EPILOGUE_ARCHIVE" (required "archive is empty: want s3://bucket/prefix" .Values.archive)
  "EPILOGUE_NAMESPACE" (include "epilogue.watched" .)
  "EPILOGUE_RELEASE" (include "epilogue.fullname" .)
  "EPILOGUE_REPLICA_ACCOUNT" (include "epilogue.serviceAccountName" .)
  "EPILOGUE_SPOOL_DIR" "/var/lib/epilogue/spool"
  "EPILOGUE_SPOOL_LIMIT" .Values.spool.limit
  "EPILOGUE_SHUTDOWN_GRACE" (printf "%ds" (sub (int .Values.terminationGracePeriodSeconds) 10))
  "EPILOGUE_S3_PATH_STYLE" (.Values.s3.pathStyle | toString)
  "EPILOGUE_API_LISTEN" (ternary ":8000" "off" .Values.api.enabled)
  "EPILOGUE_GATE" .Values.gate.mode
  "EPILOGUE_ADOPT_TTL" (.Values.gate.adoptTTL | toString)
  "EPILOGUE_DRY_RUN" (.Values.dryRun | toString)
-}}
{{- /* The policies go by these, too: two opinions would be a gate that nobody opens. */ -}}
{{- range $name, $value := dict "EPILOGUE_GATE" "gate.mode" "EPILOGUE_ADOPT_TTL" "gate.adoptTTL" "EPILOGUE_DRY_RUN" "dryRun" -}}
{{- if hasKey $.Values.environment $name }}{{ fail (printf "environment.%s is set: set %s instead, which the admission policies follow, too" $name $value) }}{{ end -}}
{{- end -}}
{{- with .Values.selector }}{{ $_ := set $settings "EPILOGUE_SELECTOR" . }}{{ end -}}
{{- with .Values.s3.endpoint }}{{ $_ := set $settings "EPILOGUE_S3_ENDPOINT" . }}{{ end -}}
{{- with .Values.s3.region }}{{ $_ := set $settings "EPILOGUE_S3_REGION" . }}{{ end -}}
{{- if .Values.s3.caSecret.name }}{{ $_ := set $settings "EPILOGUE_S3_CA_FILE" (printf "/etc/epilogue/ca/%s" .Values.s3.caSecret.key) }}{{ end -}}
{{- if and .Values.api.enabled .Values.api.tlsSecret }}
{{- $_ := set $settings "EPILOGUE_API_TLS_CERT_FILE" "/etc/epilogue/tls/tls.crt" -}}
{{- $_ := set $settings "EPILOGUE_API_TLS_KEY_FILE" "/etc/epilogue/tls/tls.key" -}}
{{- end }}
{{- include "epilogue.launcherAccount" . -}}
{{- if .Values.launcher.enabled }}{{ $_ := set $settings "EPILOGUE_LAUNCHER" "true" }}{{ end -}}
{{- with .Values.launcher.registrySecret }}{{ $_ := set $settings "EPILOGUE_REGISTRY_SECRET" . }}{{ end -}}
{{- range $name, $value := .Values.environment }}{{ $_ := set $settings $name (include "epilogue.text" $value) }}{{ end -}}
{{- toYaml $settings -}}
{{- end }}

{{- /* Without the account the daemon would end at once, and again and again. Flags may hold it, too, and are not read here. */ -}}
{{- define "epilogue.launcherAccount" -}}
{{- $named := concat (keys .Values.environment) (keys .Values.secretEnvironment) -}}
{{- range .Values.environmentSecretKeyRefs }}{{ $named = append $named .name }}{{ end -}}
{{- $account := or (has "EPILOGUE_SERVICE_ACCOUNT" $named) (has "ZENML_KUBERNETES_WORKLOAD_MANAGER_SERVICE_ACCOUNT" $named) .Values.extraArgs -}}
{{- if and .Values.launcher.enabled (not $account) -}}
{{- fail "launcher.enabled is true, but environment names no service account for the Jobs: set environment.ZENML_KUBERNETES_WORKLOAD_MANAGER_SERVICE_ACCOUNT, or EPILOGUE_SERVICE_ACCOUNT" -}}
{{- end -}}
{{- end }}

{{- /* Helm reads every number as a float: 1073741824 must not become 1.073741824e+09. */ -}}
{{- define "epilogue.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end }}

{{- define "epilogue.environment" -}}
{{- range $name, $value := (include "epilogue.settings" . | fromYaml) }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- if not (hasKey .Values.environment "EPILOGUE_REPLICA_ADDRESS") }}
- name: EPILOGUE_REPLICA_ADDRESS
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}
{{- with .Values.s3.existingSecret }}
{{- if .name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .name }}
      key: {{ .accessKeyIDKey }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .name }}
      key: {{ .secretAccessKeyKey }}
{{- end }}
{{- end }}
{{- range .Values.environmentSecretKeyRefs }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secretName }}
      key: {{ .secretKey }}
{{- end }}
{{- end }}
