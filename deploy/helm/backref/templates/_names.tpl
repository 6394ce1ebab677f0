{{/* Names and labels. */}}

{{- define "backref.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* It leaves room for what is put behind it. */}}
{{- define "backref.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "backref.selectorLabels" -}}
app.kubernetes.io/name: {{ include "backref.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{/* The labels of the pods of Jobs, which no Service selects. */}}
{{- define "backref.maintenanceLabels" -}}
app.kubernetes.io/name: {{ include "backref.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: maintenance
{{- end }}

{{/*
The metadata of an object, from a dict of root, name (what is put behind the
full name) and, where there are some, namespace, labels and annotations.
*/}}
{{- define "backref.metadata" -}}
{{- $root := .root -}}
name: {{ include "backref.fullname" $root }}{{ .name }}
namespace: {{ default $root.Release.Namespace .namespace }}
labels:
  {{- $labels := dict
    "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
    "app.kubernetes.io/version" (default $root.Chart.AppVersion $root.Values.image.tag | trunc 63 | trimAll "-_.")
    "app.kubernetes.io/managed-by" $root.Release.Service
  }}
  {{- $selected := include (default "backref.selectorLabels" .selector) $root | fromYaml }}
  {{- mergeOverwrite (dict) $root.Values.labels (default dict .labels) $labels $selected | toYaml | nindent 2 }}
{{- with mergeOverwrite (dict) $root.Values.annotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "backref.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "backref.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "backref.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}
