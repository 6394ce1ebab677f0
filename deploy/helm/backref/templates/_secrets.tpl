{{/*
What each of .Values.secrets is for: the keys of the configuration that name its
files, with their variables. The file of "key" is that of .Values.secrets.NAME.key.
*/}}
{{- define "backref.secretFiles" -}}
adminToken:
  - {path: admin.tokenFile, variable: BACKREF_ADMIN_TOKEN_FILE}
registryPassword:
  - {path: upstream.service.passwordFile, variable: BACKREF_UPSTREAM_SERVICE_PASSWORD_FILE}
registryDockerConfig:
  - {path: upstream.service.dockerConfig, variable: BACKREF_UPSTREAM_SERVICE_DOCKER_CONFIG}
registryCA:
  - {path: upstream.tls.caFile, variable: BACKREF_UPSTREAM_TLS_CA_FILE}
registryClientTLS:
  - {path: upstream.tls.certFile, variable: BACKREF_UPSTREAM_TLS_CERT_FILE, file: tls.crt}
  - {path: upstream.tls.keyFile, variable: BACKREF_UPSTREAM_TLS_KEY_FILE, file: tls.key}
databasePassword:
  - {path: index.postgres.passwordFile, variable: BACKREF_INDEX_POSTGRES_PASSWORD_FILE}
databaseTLS: []
serverTLS:
  - {path: server.tls.certFile, variable: BACKREF_SERVER_TLS_CERT_FILE, file: tls.crt}
  - {path: server.tls.keyFile, variable: BACKREF_SERVER_TLS_KEY_FILE, file: tls.key}
serverClientCA:
  - {path: server.tls.clientCAFile, variable: BACKREF_SERVER_TLS_CLIENT_CAFILE}
adminTLS:
  - {path: admin.tls.certFile, variable: BACKREF_ADMIN_TLS_CERT_FILE, file: tls.crt}
  - {path: admin.tls.keyFile, variable: BACKREF_ADMIN_TLS_KEY_FILE, file: tls.key}
users:
  - {path: auth.htpasswdFile, variable: BACKREF_AUTH_HTPASSWD_FILE}
{{- end }}

{{/* The folder of a secret: registryPassword is in registry-password. */}}
{{- define "backref.secretFolder" -}}
/run/secrets/backref/{{ include "backref.secretVolume" . }}
{{- end }}

{{- define "backref.secretVolume" -}}
{{- . | replace "TLS" "Tls" | replace "CA" "Ca" | kebabcase }}
{{- end }}

{{- define "backref.secretVariables" -}}
{{- range $name, $files := include "backref.secretFiles" . | fromYaml }}
{{- $secret := get $.Values.secrets $name }}
{{- if $secret.existingSecret }}
{{- range $files }}
- name: {{ .variable }}
  value: {{ include "backref.secretFolder" $name }}/{{ default $secret.key .file }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "backref.secretMounts" -}}
{{- range $name, $secret := .Values.secrets }}
{{- if $secret.existingSecret }}
- name: {{ include "backref.secretVolume" $name }}
  mountPath: {{ include "backref.secretFolder" $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "backref.secretVolumes" -}}
{{- range $name, $secret := .Values.secrets }}
{{- if $secret.existingSecret }}
- name: {{ include "backref.secretVolume" $name }}
  secret:
    secretName: {{ $secret.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}
