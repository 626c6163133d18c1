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

{{/* In: the gateway, and who scrapes. Out: names, and the ports of Kafka, MongoDB, S3 and the issuer. The media worker
     decodes what strangers made: nobody but the scraper calls it, and it does not reach the issuer.
     Call with (dict "top" $ "name" … "component" "api"|"worker"|"topics"). */}}
{{- define "stories.networkPolicy" -}}
{{- $top := .top -}}
{{- $policy := $top.Values.networkPolicy -}}
{{- $global := $top.Values.global -}}
{{- $facts := include "stories.facts" $top | fromJson -}}
{{- $kafka := include "stories.shared" (list $top "kafka") | fromJson -}}
{{- $mongo := include "stories.shared" (list $top "mongo") | fromJson -}}
{{- $s3 := include "stories.shared" (list $top "s3") | fromJson -}}
{{- $brokers := ternary ($global.topics.kafka.bootstrapServers | default $kafka.bootstrapServers) $kafka.bootstrapServers (eq .component "topics") -}}
{{- $ports := list (printf "%v" $mongo.port) -}}
{{- range splitList "," $brokers -}}
{{- $ports = append $ports (include "stories.portOf" (list (trim .) 9092)) -}}
{{- end -}}
{{- if and (eq .component "api") (regexMatch "^https?://" $global.auth.jwks) -}}
{{- $ports = append $ports (include "stories.portOf" (list $global.auth.jwks 443)) -}}
{{- end -}}
{{- with $top.Values.settings.OTEL_EXPORTER_OTLP_ENDPOINT -}}
{{- $ports = append $ports (include "stories.portOf" (list . 443)) -}}
{{- end -}}
{{- if $facts.objects -}}
{{- $ports = append $ports (include "stories.portOf" (list $s3.endpoint (ternary 443 80 $s3.secure))) -}}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top "network") | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "stories.selector" (list $top .component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if ne .component "topics" }}
  ingress:
    - from:
        {{- if eq .component "api" }}
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: gateway
              app.kubernetes.io/part-of: stories
        {{- end }}
        {{- with $policy.from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $global.monitoring.from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {protocol: TCP, port: http}
  {{- end }}
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    - ports:
        {{- range $ports | uniq }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
      {{- with $policy.to }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with $policy.egress }}
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
    - port: {{ ternary "metrics" "http" (eq .Chart.Name "gateway") }}
      path: /metrics
      interval: {{ .Values.global.monitoring.interval }}
{{- end -}}
