{{/* What the chart has to know of the configuration of the server. */}}

{{/* The value of a key, from a dict of root and path; "" where it isn't set. */}}
{{- define "backref.config" -}}
{{- $at := .root.Values.config }}
{{- range splitList "." .path }}
{{- if kindIs "map" $at }}
{{- $at = get $at . }}
{{- else }}
{{- $at = "" }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" $at) }}{{ $at }}{{ end }}
{{- end }}

{{- define "backref.postgres" -}}
{{- if include "backref.config" (dict "root" . "path" "index.postgres.url") }}true{{ end }}
{{- end }}

{{- define "backref.listen" -}}
{{- default ":8080" (include "backref.config" (dict "root" . "path" "server.listen")) }}
{{- end }}

{{- define "backref.adminListen" -}}
{{- include "backref.config" (dict "root" . "path" "admin.listen") }}
{{- end }}

{{/* The port of an address to listen on. */}}
{{- define "backref.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{- define "backref.tls" -}}
{{- if or .Values.secrets.serverTLS.existingSecret (include "backref.config" (dict "root" . "path" "server.tls.certFile")) }}true{{ end }}
{{- end }}

{{- define "backref.adminTLS" -}}
{{- if or .Values.secrets.adminTLS.existingSecret (include "backref.config" (dict "root" . "path" "admin.tls.certFile")) }}true{{ end }}
{{- end }}

{{- define "backref.adminToken" -}}
{{- if or .Values.secrets.adminToken.existingSecret (include "backref.config" (dict "root" . "path" "admin.tokenFile")) }}true{{ end }}
{{- end }}

{{- define "backref.adminURL" -}}
{{- printf "%s://%s-admin.%s.svc:%v" (ternary "https" "http" (eq (include "backref.adminTLS" .) "true")) (include "backref.fullname" .) .Release.Namespace .Values.adminService.port }}
{{- end }}

{{- define "backref.url" -}}
{{- printf "%s://%s.%s.svc:%v" (ternary "https" "http" (eq (include "backref.tls" .) "true")) (include "backref.fullname" .) .Release.Namespace .Values.service.port }}
{{- end }}

{{/* A duration such as 1m30s in seconds, rounded up. */}}
{{- define "backref.seconds" -}}
{{- $begin := toDate "2006-01-02" "2000-01-01" }}
{{- $end := mustDateModify (toString .) $begin }}
{{- add (sub $end.Unix $begin.Unix) (ternary 1 0 (gt $end.Nanosecond 0)) }}
{{- end }}

{{/* The least terminationGracePeriodSeconds: the pause, the delay, the drain, and the closing of the index. */}}
{{- define "backref.leastGrace" -}}
{{- $drain := default "30s" (include "backref.config" (dict "root" . "path" "server.drainTimeout")) }}
{{- $delay := default "0s" (include "backref.config" (dict "root" . "path" "server.shutdownDelay")) }}
{{- add .Values.preStopSeconds (include "backref.seconds" $delay | int64) (include "backref.seconds" $drain | int64) 10 }}
{{- end }}

{{- define "backref.grace" -}}
{{- default (include "backref.leastGrace" .) .Values.terminationGracePeriodSeconds }}
{{- end }}
