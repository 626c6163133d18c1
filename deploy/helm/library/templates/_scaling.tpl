{{/* By processor, or with KEDA also by the lag of the part's groups. Call with a part. */}}
{{- define "stories.autoscaler" -}}
{{- if and .consumes .values.autoscaling.keda.enabled -}}
{{ include "stories.scaledObject" . }}
{{- else -}}
{{ include "stories.horizontalPodAutoscaler" . }}
{{- end -}}
{{- end -}}

{{- define "stories.scaleDown" -}}
scaleDown:
  stabilizationWindowSeconds: 300
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}

{{- define "stories.horizontalPodAutoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .top.Release.Namespace }}
  labels: {{- include "stories.labels" (list .top .component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name }}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  behavior: {{- include "stories.scaleDown" .top | nindent 4 }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .values.autoscaling.cpuPercent }}
{{- end -}}

{{- define "stories.scaledObject" -}}
{{- $top := .top -}}
{{- $values := .values.autoscaling -}}
{{- $kafka := include "stories.kafka" (dict "top" $top "topics" false) | fromJson -}}
{{- $facts := include "stories.facts" $top | fromJson -}}
{{- $tls := hasSuffix "SSL" $kafka.securityProtocol -}}
{{- $sasl := hasPrefix "SASL_" $kafka.securityProtocol -}}
{{- $secured := or $sasl (and $tls (or $kafka.ca.secret $kafka.certificate.secret)) -}}
{{- $mechanism := dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512" -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top .component) | nindent 4 }}
spec:
  scaleTargetRef:
    name: {{ .name }}
  minReplicaCount: {{ $values.minReplicas }}
  maxReplicaCount: {{ $values.maxReplicas }}
  pollingInterval: 15
  fallback:
    failureThreshold: 4
    replicas: {{ $values.minReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- include "stories.scaleDown" $top | nindent 8 }}
  triggers:
    - type: cpu
      metricType: Utilization
      metadata:
        value: {{ $values.cpuPercent | toString | quote }}
    {{- range $topic := $facts.hears }}
    - type: kafka
      metadata:
        bootstrapServers: {{ $kafka.bootstrapServers | quote }}
        consumerGroup: {{ printf "%s%s.%s" $kafka.topicPrefix $top.Chart.Name $topic | quote }}
        topic: {{ printf "%s%s" $kafka.topicPrefix $topic | quote }}
        lagThreshold: {{ include "stories.written" $values.keda.lagThreshold | quote }}
        offsetResetPolicy: earliest
        allowIdleConsumers: "false"
        excludePersistentLag: "false"
        {{- if $tls }}
        tls: enable
        {{- end }}
        {{- if $sasl }}
        sasl: {{ get $mechanism $kafka.saslMechanism }}
        {{- end }}
      {{- if $secured }}
      authenticationRef:
        name: {{ include "stories.name" $top }}-kafka
      {{- end }}
    {{- end }}
{{- if $secured }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ include "stories.name" $top }}-kafka
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top .component) | nindent 4 }}
spec:
  {{- if and $sasl $kafka.username }}
  env:
    - parameter: username
      name: KAFKA_SASL_USERNAME
      containerName: {{ $top.Chart.Name }}
  {{- end }}
  secretTargetRef:
    {{- if $sasl }}
    {{- $secret := include "stories.fill" (list $top $kafka.credentials.secret) }}
    {{- if not $kafka.username }}
    - {parameter: username, name: {{ $secret }}, key: {{ include "stories.fill" (list $top $kafka.credentials.usernameKey) }}}
    {{- end }}
    - {parameter: password, name: {{ $secret }}, key: {{ include "stories.fill" (list $top $kafka.credentials.passwordKey) }}}
    {{- end }}
    {{- if and $tls $kafka.ca.secret }}
    - {parameter: ca, name: {{ include "stories.fill" (list $top $kafka.ca.secret) }}, key: {{ $kafka.ca.key }}}
    {{- end }}
    {{- if and $tls $kafka.certificate.secret }}
    {{- $secret := include "stories.fill" (list $top $kafka.certificate.secret) }}
    - {parameter: cert, name: {{ $secret }}, key: {{ $kafka.certificate.certificateKey }}}
    - {parameter: key, name: {{ $secret }}, key: {{ $kafka.certificate.keyKey }}}
    {{- end }}
{{- end }}
{{- end -}}
