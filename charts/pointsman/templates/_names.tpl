{{/*
One file's template, named as the file, in each namespace that the release serves: there .Release.Namespace is that one.
*/}}
{{- define "pointsman.each" -}}
{{- $file := base .Template.Name }}
{{- range .Values.namespaces | default (list .Release.Namespace) }}
{{- $release := dict "Name" $.Release.Name "Namespace" . "Service" $.Release.Service }}
{{- $here := dict "Values" $.Values "Chart" $.Chart "Files" $.Files "Release" $release }}
{{- with include $file $here | trim }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end }}

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
{{ .root.Values.image.repository }}/{{ .part }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
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

{{/* A component's own constraints, or one that spreads it over nodes where that can be had. */}}
{{- define "pointsman.spread" -}}
{{- $own := dict "matchLabels" (include "pointsman.selector" . | fromYaml) }}
{{- $given := index .root.Values .component "topologySpreadConstraints" }}
{{- $even := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" }}
{{- range $given | default (list $even) }}
- {{ merge (dict) . (dict "labelSelector" $own) | toYaml | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/*
Of the routers' Deployment. Where an autoscaler sets them, what is there is said once more, whoever set it: a client-side
apply takes away what the release before said and this one does not, which means one replica until the autoscaler looks.
A server-side one takes away only what nobody else owns. So there it is said as long as who applies the chart owns it, and
never again: with it a rollback would meet a conflict.
*/}}
{{- define "pointsman.routerReplicas" -}}
{{- if not .Values.router.autoscaling.enabled }}
{{- int64 .Values.router.replicas }}
{{- else }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (printf "%s-router" .Release.Name) }}
{{- $applied := false }}
{{- $owned := false }}
{{- range dig "metadata" "managedFields" list $live }}
{{- $fields := dig "fieldsV1" "f:spec" dict . }}
{{- if and (eq .operation "Apply") (hasKey $fields "f:selector") }}
{{- $applied = true }}
{{- $owned = or $owned (hasKey $fields "f:replicas") }}
{{- end }}
{{- end }}
{{- if and $live (or $owned (not $applied)) }}
{{- int64 $live.spec.replicas }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Says something if a text is no network as the ledger takes one: an address, with a prefix and no bit set behind it. An
IPv6 address that ends as an IPv4 one is left to the ledger.
*/}}
{{- define "pointsman.notNetwork" -}}
{{- $powers := list 1 2 4 8 16 32 64 128 256 512 1024 2048 4096 8192 16384 32768 65536 }}
{{- $six := contains ":" . }}
{{- $width := ternary 16 8 $six }}
{{- $address := splitList "/" . | first }}
{{- if contains "::" $address }}
{{- $zeros := sub 8 (len (splitList ":" $address | compact)) | max 0 | int }}
{{- $address = $address | replace "::" (printf "%s:" (repeat $zeros ":0")) | trimAll ":" }}
{{- end }}
{{- $groups := splitList (ternary ":" "." $six) $address }}
{{- $bits := ternary 128 32 $six }}
{{- $prefix := contains "/" . | ternary (splitList "/" . | last | atoi) $bits }}
{{- if not (and $six (contains "." .)) }}
{{- if or (gt $prefix $bits) (ne (len $groups) (ternary 8 4 $six)) }}no network{{ end }}
{{- range $at, $group := $groups }}
{{- $free := sub (mul $width (add1 $at)) $prefix | min $width | max 0 | int }}
{{- $value := int64 (printf "%s%s" (ternary "0x" "" $six) $group) }}
{{- if not (regexMatch (ternary "^[0-9a-fA-F]{1,4}$" "^(0|[1-9][0-9]{0,2})$" $six) $group) }}no number{{ end }}
{{- if or (ge $value (index $powers $width | int64)) (mod $value (index $powers $free)) }}a bit too many{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A number, or a share such as 50%. */}}
{{- define "pointsman.intOrShare" -}}
{{- if kindIs "string" . }}{{ . | quote }}{{ else }}{{ int64 . }}{{ end }}
{{- end }}

{{/* A volume in words, the same for the same: (dict "size" "20Gi" "class" ""); the API server writes 1024Mi as 1Gi. */}}
{{- define "pointsman.volume" -}}
{{- $number := regexFind "^[0-9]+" .size }}
{{- $units := dict "Mi" 1 "Gi" 1024 "Ti" 1048576 "Pi" 1073741824 }}
{{- $unit := trimPrefix $number .size }}
{{- hasKey $units $unit | ternary (printf "%dMi" (mul $number (get $units $unit | default 0))) .size }}
{{- with .class }} of class {{ . }}{{ end }}
{{- end }}

{{/*
One component's NetworkPolicy up to its rules; every direction that it names is closed but for them. Without a rule the
key is left out: of an empty list the API server makes none, and each further apply would count as a change.
*/}}
{{- define "pointsman.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "pointsman.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "pointsman.selector" . | nindent 6 }}
  policyTypes: [{{ .root.Values.networkPolicy.egress | ternary "Ingress, Egress" "Ingress" }}]
{{- end }}

{{/* Pods of one component, as a peer. */}}
{{- define "pointsman.peer" -}}
- podSelector:
    matchLabels:
      {{- include "pointsman.selector" . | nindent 6 }}
{{- end }}

{{/* A rule to one port: (dict "peers" list "ports" (list 443)); without peers, to everybody. */}}
{{- define "pointsman.rule" -}}
- ports:
    {{- range .ports }}
    - {port: {{ int64 . }}, protocol: TCP}
    {{- end }}
  {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "pointsman.toNames" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
  {{- with .Values.networkPolicy.dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* No policy can select the API server by its labels, and network plugins see its own port or the Service's. */}}
{{- define "pointsman.toApiServer" -}}
{{- with .Values.networkPolicy.apiServer }}
{{- include "pointsman.rule" (dict "ports" .ports "peers" .to) }}
{{- end }}
{{- end }}

{{/* The ledger of this release by its labels, another one by its port. */}}
{{- define "pointsman.toLedger" -}}
{{- if .Values.ledger.url }}
{{- include "pointsman.rule" (dict "ports" (list (include "pointsman.portOf" .Values.ledger.url))) }}
{{- else if .Values.ledger.enabled }}
- ports:
    - {port: http, protocol: TCP}
  to:
    {{- include "pointsman.peer" (dict "root" . "component" "ledger") | nindent 4 }}
{{- end }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "pointsman.portOf" -}}
{{- $at := urlParse . }}
{{- $said := regexFind ":[0-9]+$" $at.host | trimPrefix ":" }}
{{- $said | default (eq $at.scheme "https" | ternary "443" "80") }}
{{- end }}
