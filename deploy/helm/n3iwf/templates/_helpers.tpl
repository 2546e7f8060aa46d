{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "n3iwf.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}{{ $name := default .Chart.Name .Values.nameOverride }}{{ if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- end }}

{{- define "n3iwf.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "n3iwf.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "n3iwf.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: 5g-core
{{- end }}

{{- define "n3iwf.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "n3iwf.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "n3iwf.certificateSecret" -}}
{{- default (printf "%s-tls" (include "n3iwf.fullname" .)) .Values.certificate.secretName }}
{{- end }}

{{/* The whole configuration file: the values' config with what the chart knows. */}}
{{- define "n3iwf.config" -}}
{{- $chart := dict
  "nwu" (dict "certificate" (dict "chain" "/etc/n3iwf/tls/tls.crt" "key" "/etc/n3iwf/tls/tls.key"))
  "management" (dict "socket" "/run/n3iwf/api.sock" "observe" (printf "0.0.0.0:%d" (int .Values.metrics.port))) }}
{{- if eq .Values.attach "multus" }}
{{- $chart = mergeOverwrite $chart (dict
  "nwu" (dict "addresses" (list .Values.multus.nwu.ipAddress))
  "n2" (dict "localAddresses" (list .Values.multus.n2.ipAddress))
  "n3" (dict "addresses" (list .Values.multus.n3.ipAddress))) }}
{{- else if eq .Values.attach "host" }}
{{- $chart = mergeOverwrite $chart (dict "dataPlane" (dict "kind" "kernel")) }}
{{- end }}
{{- mergeOverwrite $chart (deepCopy .Values.config) | toYaml }}
{{- end }}

{{/* What of the configuration file takes a restart. The rest the N3IWF takes over by itself when the mounted file changes, without dropping a UE. */}}
{{- define "n3iwf.restartConfig" -}}
{{- include "n3iwf.leaves" (dict "at" (include "n3iwf.config" . | fromYaml) "path" "" "without" (.Files.Lines "reloadable.txt")) }}
{{- end }}

{{/* The keys below a mapping with their values, one a line, without some. */}}
{{- define "n3iwf.leaves" -}}
{{- range $key, $value := .at }}
{{- $path := printf "%s%s" $.path $key }}
{{- if kindIs "map" $value }}
{{- include "n3iwf.leaves" (dict "at" $value "path" (printf "%s." $path) "without" $.without) }}
{{- else if not (or (kindIs "invalid" $value) (has $path $.without)) }}
{{- printf "%s: %s\n" $path (toJson $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The pod's interfaces of Multus, with fixed addresses, in the annotation's own form. */}}
{{- define "n3iwf.networks" -}}
{{- $out := list }}
{{- range $if := list "nwu" "n2" "n3" }}
{{- $n := index $.Values.multus $if }}
{{- $entry := dict "name" (default (printf "%s-%s" (include "n3iwf.fullname" $) $if) $n.name) "interface" $if "ips" (list (printf "%s/%d" $n.ipAddress (int $n.cidr))) }}
{{- if $n.gateway }}{{ $_ := set $entry "gateway" (list $n.gateway) }}{{ end }}
{{- $out = append $out $entry }}
{{- end }}
{{- $out | toJson }}
{{- end }}
