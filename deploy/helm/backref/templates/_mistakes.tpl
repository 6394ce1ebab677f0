{{/* What is wrong with the values, a line each. */}}
{{- define "backref.mistakes" -}}
{{- include "backref.secretMistakes" . }}
{{- include "backref.listenMistakes" . }}
{{- include "backref.replicaMistakes" . }}
{{- include "backref.otherMistakes" . }}
{{- end }}

{{/* Secrets in what anybody may read, and keys that are set twice. */}}
{{- define "backref.secretMistakes" -}}
{{- $secretVariables := dict
  "upstream.service.password" "BACKREF_UPSTREAM_SERVICE_PASSWORD"
  "index.postgres.password" "BACKREF_INDEX_POSTGRES_PASSWORD" }}
{{- $instead := dict "upstream.service.password" "registryPassword" "index.postgres.password" "databasePassword" }}
{{- range $path, $variable := $secretVariables }}
{{- if include "backref.config" (dict "root" $ "path" $path) }}
config.{{ $path }}: is a secret, and would be in a ConfigMap: put it into a Secret and name that in secrets.{{ get $instead $path }}.existingSecret
{{- end }}
{{- range $.Values.extraEnv }}
{{- if and (eq .name $variable) (hasKey . "value") }}
extraEnv: {{ $variable }}: is a secret, and would be in the pod's description: use valueFrom, or secrets.{{ get $instead $path }}.existingSecret
{{- end }}
{{- end }}
{{- end }}
{{- range $path := list "upstream.url" "server.publicURL" "index.postgres.url" }}
{{- $url := include "backref.config" (dict "root" $ "path" $path) }}
{{- if or (regexMatch "^[a-zA-Z]+://[^/?#]*:[^/?#]*@" $url) (regexMatch "(?i)\\bpassword\\s*=" $url) }}
config.{{ $path }}: has a password, and would be in a ConfigMap: put it into a Secret and name that in secrets
{{- end }}
{{- end }}
{{- range $name, $files := include "backref.secretFiles" . | fromYaml }}
{{- $secret := get $.Values.secrets $name }}
{{- range $files }}
{{- if and $secret.existingSecret (include "backref.config" (dict "root" $ "path" .path)) }}
config.{{ .path }}: is given by secrets.{{ $name }}.existingSecret too: give one of them
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Addresses that nobody outside the container could reach. */}}
{{- define "backref.listenMistakes" -}}
{{- $server := include "backref.listen" . }}
{{- $admin := include "backref.adminListen" . }}
{{- range $path, $address := dict "server.listen" $server "admin.listen" $admin }}
{{- $port := include "backref.port" $address }}
{{- if or (not (contains ":" $address)) (not $port) (eq $port "0") }}
config.{{ $path }}: {{ quote $address }} has no port that is known before: Services and probes need one
{{- else if regexMatch "^(localhost|127\\.|\\[::1\\])" $address }}
config.{{ $path }}: {{ quote $address }} can't be reached from outside the pod: leave out the host
{{- end }}
{{- end }}
{{- if eq (include "backref.port" $server) (include "backref.port" $admin) }}
config.admin.listen: has the port of config.server.listen
{{- end }}
{{- if eq (include "backref.config" (dict "root" . "path" "admin.tls.clientAuth")) "require" }}
config.admin.tls.clientAuth: require refuses the probes, which have no certificate: use request
{{- end }}
{{- /* What the chart reads in config must not be changed behind its back. */}}
{{- $read := dict
  "BACKREF_SERVER_LISTEN" "server.listen" "BACKREF_SERVER_DRAIN_TIMEOUT" "server.drainTimeout"
  "BACKREF_SERVER_SHUTDOWN_DELAY" "server.shutdownDelay"
  "BACKREF_SERVER_TLS_CERT_FILE" "server.tls.certFile"
  "BACKREF_ADMIN_LISTEN" "admin.listen" "BACKREF_ADMIN_TOKEN_FILE" "admin.tokenFile"
  "BACKREF_ADMIN_TLS_CERT_FILE" "admin.tls.certFile" "BACKREF_ADMIN_TLS_CLIENT_AUTH" "admin.tls.clientAuth"
  "BACKREF_INDEX_PATH" "index.path" "BACKREF_INDEX_POSTGRES_URL" "index.postgres.url" }}
{{- range .Values.extraEnv }}
{{- $variable := .name }}
{{- with get $read .name }}
extraEnv: {{ $variable }}: the chart has to know this one: set config.{{ . }} instead
{{- end }}
{{- end }}
{{- end }}

{{- define "backref.replicaMistakes" -}}
{{- if not (include "backref.postgres" .) }}
{{- if gt (int .Values.replicas) 1 }}
replicas: {{ .Values.replicas }} can't share the embedded index, which is a file of one process: set config.index.postgres.url, or replicas to 1
{{- end }}
{{- if .Values.autoscaling.enabled }}
autoscaling.enabled: more than one replica can't share the embedded index, which is a file of one process: set config.index.postgres.url
{{- end }}
{{- if not (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) }}
podDisruptionBudget.minAvailable: would keep the node of the only replica from being drained: leave it out
{{- end }}
{{- $path := include "backref.config" (dict "root" . "path" "index.path") }}
{{- if and (hasPrefix "/" $path) (not (hasPrefix (printf "%s/" (trimSuffix "/" .Values.persistence.mountPath)) (clean $path))) }}
config.index.path: {{ $path }} is not on the volume at persistence.mountPath ({{ .Values.persistence.mountPath }})
{{- end }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
autoscaling.minReplicas: is more than autoscaling.maxReplicas
{{- end }}
{{- end }}
{{- if not (or (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable)) }}
podDisruptionBudget.minAvailable: give it or maxUnavailable, not both
{{- end }}
{{- end }}

{{- define "backref.otherMistakes" -}}
{{- $named := list }}
{{- range .Values.extraEnv }}
{{- $named = append $named .name }}
{{- end }}
{{- if not (or (include "backref.config" (dict "root" . "path" "upstream.url")) (has "BACKREF_UPSTREAM_URL" $named) .Values.extraEnvFrom) }}
config.upstream.url: is required: the registry behind backref, such as https://registry.example.com
{{- end }}
{{- $least := include "backref.leastGrace" . | int }}
{{- with .Values.terminationGracePeriodSeconds }}
{{- if lt (int .) $least }}
terminationGracePeriodSeconds: {{ . }} is too short: preStopSeconds, config.server.shutdownDelay, config.server.drainTimeout and ten seconds to close the index are {{ $least }}
{{- end }}
{{- end }}
{{- range $job := list "rebuild" "verify" }}
{{- if and (get $.Values $job).enabled (not (include "backref.adminToken" $)) }}
{{ $job }}.enabled: needs a token for the admin listener: name its Secret in secrets.adminToken.existingSecret
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
ingress.hosts: is needed where ingress.enabled is set
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: is needed where httpRoute.enabled is set: the gateway
{{- end }}
{{- end }}
