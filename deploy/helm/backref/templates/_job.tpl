{{/*
Pods that have the server do something by its admin listener. They get the
token and the public half of certificates, and none of the server's other
secrets.
*/}}

{{/* The flags by which they find the server. */}}
{{- define "backref.adminFlags" -}}
- --admin={{ include "backref.adminURL" . }}
{{- $caFile := include "backref.config" (dict "root" . "path" "admin.client.caFile") }}
{{- if not $caFile }}
{{- $caFile = include "backref.config" (dict "root" . "path" "admin.tls.certFile") }}
{{- if .Values.secrets.adminTLS.existingSecret }}
{{- $caFile = printf "%s/tls.crt" (include "backref.secretFolder" "adminTLS") }}
{{- end }}
{{- end }}
{{- with $caFile }}
- {{ printf "--set=admin.client.caFile=%s" . | quote }}
{{- end }}
{{- range list "serverName" "certFile" "keyFile" }}
{{- $path := printf "admin.client.%s" . }}
{{- with include "backref.config" (dict "root" $ "path" $path) }}
- {{ printf "--set=%s=%s" $path . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "backref.tokenFile" -}}
{{- with .Values.secrets.adminToken }}
{{- if .existingSecret }}
{{- include "backref.secretFolder" "adminToken" }}/{{ .key }}
{{- else }}
{{- include "backref.config" (dict "root" $ "path" "admin.tokenFile") }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The specification of a pod, from a dict of root, name (of the container), args,
resources, and secrets: the names of those it gets.
*/}}
{{- define "backref.client" -}}
{{- $root := .root }}
restartPolicy: Never
{{- include "backref.podSettings" $root | nindent 0 }}
containers:
  - name: {{ .name }}
    image: {{ include "backref.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      {{- .args | nindent 6 }}
    securityContext:
      {{- toYaml $root.Values.securityContext | nindent 6 }}
    {{- with .resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- $mounts := list }}
    {{- $volumes := list }}
    {{- range $name := .secrets }}
    {{- $secret := get $root.Values.secrets $name }}
    {{- if $secret.existingSecret }}
    {{- $volume := include "backref.secretVolume" $name }}
    {{- $file := default "tls.crt" $secret.key }}
    {{- $mounts = append $mounts (dict "name" $volume "mountPath" (include "backref.secretFolder" $name) "readOnly" true) }}
    {{- $volumes = append $volumes (dict "name" $volume "secret" (dict "secretName" $secret.existingSecret "defaultMode" 0440 "items" (list (dict "key" $file "path" $file)))) }}
    {{- end }}
    {{- end }}
    {{- with concat $mounts $root.Values.extraVolumeMounts }}
    volumeMounts:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- with concat $volumes $root.Values.extraVolumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The template of a Job's pod, from a dict of root, command (of backref index), args and resources. */}}
{{- define "backref.job" -}}
{{- $root := .root }}
metadata:
  labels:
    {{- mergeOverwrite (dict) $root.Values.labels $root.Values.podLabels (include "backref.maintenanceLabels" $root | fromYaml) | toYaml | nindent 4 }}
  {{- with $root.Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- $args := include "backref.adminFlags" $root | fromYamlArray }}
  {{- $args = append $args (printf "--admin-token-file=%s" (include "backref.tokenFile" $root)) }}
  {{- $args = concat (list "index" .command) $args .args }}
  {{- include "backref.client" (dict "root" $root "name" .command "args" (toYaml $args) "resources" .resources "secrets" (list "adminToken" "adminTLS")) | trim | nindent 2 }}
{{- end }}
