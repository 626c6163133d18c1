{{/* The port of host:port or of a URL; the default where it names none. Call with (list "url" default). */}}
{{- define "stories.portOf" -}}
{{- $text := index . 0 -}}
{{- $port := index . 1 -}}
{{- if hasPrefix "http://" $text }}{{ $port = 80 }}{{ end -}}
{{- $host := regexReplaceAll "^[a-z]+://" $text "" | splitList "/" | first -}}
{{- if regexMatch ":[0-9]+$" $host -}}
{{- $port = regexFind "[0-9]+$" $host -}}
{{- end -}}
{{- $port -}}
{{- end -}}

{{/* In: the gateway, and who scrapes. Out: names, and the ports of Kafka, MongoDB, S3 and the issuer. */}}
{{- define "stories.networkPolicy" -}}
{{- $global := .Values.global -}}
{{- $facts := include "stories.facts" . | fromJson -}}
{{- $kafka := include "stories.shared" (list . "kafka") | fromJson -}}
{{- $mongo := include "stories.shared" (list . "mongo") | fromJson -}}
{{- $s3 := include "stories.shared" (list . "s3") | fromJson -}}
{{- $ports := list (printf "%v" $mongo.port) -}}
{{- range splitList "," (printf "%s,%s" $kafka.bootstrapServers ($global.topics.kafka.bootstrapServers | default $kafka.bootstrapServers)) -}}
{{- $ports = append $ports (include "stories.portOf" (list (trim .) 9092)) -}}
{{- end -}}
{{- if regexMatch "^https?://" $global.auth.jwks -}}
{{- $ports = append $ports (include "stories.portOf" (list $global.auth.jwks 443)) -}}
{{- end -}}
{{- if $facts.objects -}}
{{- $ports = append $ports (include "stories.portOf" (list $s3.endpoint (ternary 443 80 $s3.secure))) -}}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "stories.name" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "stories.labels" (list . "network") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .Chart.Name }}
      app.kubernetes.io/instance: {{ .Release.Name }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: gateway
              app.kubernetes.io/part-of: stories
        {{- with .Values.networkPolicy.from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $global.monitoring.from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {protocol: TCP, port: http}
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    - ports:
        {{- range $ports | uniq }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
      {{- with .Values.networkPolicy.to }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with .Values.networkPolicy.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* The target's job is the service's name, as every rule and dashboard expects. */}}
{{- define "stories.podMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "stories.name" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "stories.labels" (list . "metrics") | nindent 4 }}
    {{- with .Values.global.monitoring.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .Chart.Name }}
      app.kubernetes.io/instance: {{ .Release.Name }}
  podMetricsEndpoints:
    - port: http
      path: /metrics
      interval: {{ .Values.global.monitoring.interval }}
{{- end -}}
