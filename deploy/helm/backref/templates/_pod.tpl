{{/* Parts of pods: of the server's and of the Jobs'. */}}

{{- define "backref.configMounts" -}}
- name: config
  mountPath: /etc/backref
  readOnly: true
{{- include "backref.secretMounts" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "backref.configVolumes" -}}
- name: config
  configMap:
    name: {{ include "backref.fullname" . }}
{{- include "backref.secretVolumes" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "backref.environment" -}}
{{- include "backref.secretVariables" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What all pods have in common. */}}
{{- define "backref.podSettings" -}}
serviceAccountName: {{ include "backref.serviceAccountName" . }}
automountServiceAccountToken: false
# A Service's variables could be taken for configuration.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- range $key := list "nodeSelector" "tolerations" "priorityClassName" "runtimeClassName" "hostAliases" "dnsPolicy" "dnsConfig" }}
{{- with get $.Values $key }}
{{ toYaml (dict $key .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "backref.probe" -}}
httpGet:
  path: {{ .path }}
  port: admin
  {{- if include "backref.adminTLS" .root }}
  scheme: HTTPS
  {{- end }}
{{ toYaml .settings }}
{{- end }}

{{- define "backref.topologySpread" -}}
{{- $selector := dict "matchLabels" (include "backref.selectorLabels" . | fromYaml) }}
{{- if .Values.topologySpreadConstraints }}
{{- range .Values.topologySpreadConstraints }}
- {{ mergeOverwrite (dict "labelSelector" $selector) . | toYaml | nindent 2 | trim }}
{{- end }}
{{- else }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    {{- toYaml $selector | nindent 4 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}

{{/* The template of the server's pods. */}}
{{- define "backref.pod" -}}
{{- $postgres := include "backref.postgres" . }}
metadata:
  labels:
    {{- mergeOverwrite (dict) .Values.labels .Values.podLabels (include "backref.selectorLabels" . | fromYaml) | toYaml | nindent 4 }}
  annotations:
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "backref.podSettings" . | nindent 2 }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $postgres }}
  topologySpreadConstraints:
    {{- include "backref.topologySpread" . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "backref.grace" . }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: backref
      image: {{ include "backref.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/backref/backref.yaml]
      {{- if not $postgres }}
      # Where the configuration doesn't say otherwise, the index is in this folder.
      workingDir: {{ .Values.persistence.mountPath }}
      {{- end }}
      {{- with include "backref.environment" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: registry
          containerPort: {{ include "backref.listen" . | include "backref.port" }}
        - name: admin
          containerPort: {{ include "backref.adminListen" . | include "backref.port" }}
      startupProbe:
        {{- include "backref.probe" (dict "root" . "path" "/livez" "settings" .Values.startupProbe) | nindent 8 }}
      livenessProbe:
        {{- include "backref.probe" (dict "root" . "path" "/livez" "settings" .Values.livenessProbe) | nindent 8 }}
      readinessProbe:
        {{- include "backref.probe" (dict "root" . "path" "/readyz?exclude=index" "settings" .Values.readinessProbe) | nindent 8 }}
      {{- if gt (int .Values.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.preStopSeconds }}
      {{- end }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- if not $postgres }}
        - name: index
          mountPath: {{ .Values.persistence.mountPath }}
        {{- end }}
        {{- include "backref.configMounts" . | nindent 8 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- if not $postgres }}
    {{- with .Values.persistence }}
    {{- if not .enabled }}
    - name: index
      emptyDir: {sizeLimit: {{ .size }}}
    {{- else if .existingClaim }}
    - name: index
      persistentVolumeClaim: {claimName: {{ .existingClaim }}}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- include "backref.configVolumes" . | nindent 4 }}
{{- end }}
