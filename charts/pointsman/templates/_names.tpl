{{/* Labels of one component: (dict "root" $ "component" "router") */}}
{{- define "pointsman.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: pointsman
{{ include "pointsman.selector" . }}
{{- end }}

{{/* Labels that select one component's pods; the operator finds routers by them. */}}
{{- define "pointsman.selector" -}}
app.kubernetes.io/name: pointsman
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Of objects without a namespace; colons, since both names may hold hyphens. */}}
{{- define "pointsman.clusterName" -}}
{{ .Release.Namespace }}:{{ .Release.Name }}:router
{{- end }}

{{/* Apart by commas. */}}
{{- define "pointsman.callerSecrets" -}}
{{- .Values.callers.secrets | default (list (printf "%s-callers" .Release.Name)) | join "," }}
{{- end }}

{{/* Where routers and operator send events. */}}
{{- define "pointsman.ledgerUrl" -}}
{{ .Values.ledger.url | default (printf "http://%s-ledger:9903" .Release.Name) }}
{{- end }}

{{- define "pointsman.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/*
The restricted Pod Security Standard. No fsGroup: it would make the router's key files readable by a
group, which the router refuses; emptyDirs are writable and projected tokens are owned without it.
*/}}
{{- define "pointsman.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "pointsman.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
