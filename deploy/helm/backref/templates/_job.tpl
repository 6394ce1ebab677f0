{{/*
The template of a pod that has the server do something, from a dict of root,
command (of backref index), args and resources. It has the server's
configuration, to find the token and the authorities by, but not its index.
*/}}
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
  restartPolicy: Never
  {{- include "backref.podSettings" $root | nindent 2 }}
  containers:
    - name: {{ .command }}
      image: {{ include "backref.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        - index
        - {{ .command }}
        - --config=/etc/backref/backref.yaml
        - --server={{ include "backref.adminURL" $root }}
        {{- with .args }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "backref.environment" $root | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml $root.Values.securityContext | nindent 8 }}
      {{- with .resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "backref.configMounts" $root | nindent 8 }}
  volumes:
    {{- include "backref.configVolumes" $root | nindent 4 }}
{{- end }}
