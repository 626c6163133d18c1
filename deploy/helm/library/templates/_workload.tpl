{{/* Everything that one service consists of. */}}
{{- define "stories.everything" -}}
{{- $main := dict "top" . "name" (include "stories.name" .) "component" "api" "values" .Values "with" dict "consumes" true -}}
{{- $parts := list $main -}}
{{- with .Values.worker -}}
{{- if .enabled -}}
{{- $_ := set $main "with" (dict "ROLE" "api") -}}
{{- $worker := dict "top" $ "name" (printf "%s-worker" $main.name) "component" "worker" "values" . "with" (dict "ROLE" "worker") "consumes" false -}}
{{- $parts = append $parts $worker -}}
{{- end -}}
{{- end -}}
{{- if .Values.serviceAccount.create }}
---
{{ include "stories.serviceAccount" . }}
{{- end }}
{{- if and (include "stories.facts" . | fromJson).rollout .Values.global.rollout }}
---
{{ include "stories.rollout" . }}
{{- end }}
---
{{ include "stories.door" (dict "top" . "port" 8000 "headless" true) }}
{{- range $parts }}
---
{{ include "stories.deployment" . }}
{{- if .values.podDisruptionBudget.enabled }}
---
{{ include "stories.podDisruptionBudget" . }}
{{- end }}
{{- if .values.autoscaling.enabled }}
---
{{ include "stories.autoscaler" . }}
{{- end }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- range $parts }}
---
{{ include "stories.networkPolicy" . }}
{{- end }}
{{- if eq .Values.global.topics.mode "job" }}
---
{{ include "stories.networkPolicy" (dict "top" . "name" (printf "%s-topics" $main.name) "component" "topics") }}
{{- end }}
{{- end }}
{{- if .Values.global.monitoring.podMonitor }}
---
{{ include "stories.podMonitor" . }}
{{- end }}
{{- if eq .Values.global.topics.mode "job" }}
---
{{ include "stories.topicsJob" . }}
{{- end }}
{{- end -}}

{{/* The rollout policy. Pods see a change of it without a restart. */}}
{{- define "stories.rollout" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "stories.name" . }}-rollout
  namespace: {{ .Release.Namespace }}
  labels: {{- include "stories.labels" (list . "rollout") | nindent 4 }}
data:
  rollout.yaml: {{ toYaml .Values.global.rollout | quote }}
{{- end -}}

{{- define "stories.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "stories.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "stories.labels" (list . "account") | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{/* Headless: the gateway sees every replica, since it keeps a token on one. Call with (dict "top" $ "port" n). */}}
{{- define "stories.door" -}}
{{- $top := .top -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "stories.name" $top }}
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top "api") | nindent 4 }}
  {{- with $top.Values.service }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- else }}
  type: {{ $top.Values.service.type }}
  {{- end }}
  selector: {{- include "stories.selector" (list $top "api") | nindent 4 }}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
      appProtocol: http
{{- end -}}

{{/* Call with a part: (dict "top" $ "name" … "component" … "values" {…} "with" {…} "consumes" bool). Of what
     consumes, no more replicas than partitions have work; feed's is reading too, which scales without them. */}}
{{- define "stories.deployment" -}}
{{- $top := .top -}}
{{- $values := .values -}}
{{- $partitions := $top.Values.global.topics.partitions | int -}}
{{- $most := ternary ($values.autoscaling.maxReplicas | int) ($values.replicas | int) $values.autoscaling.enabled -}}
{{- if and .consumes (ne $top.Chart.Name "feed") (gt $most $partitions) -}}
{{- fail (printf "%s: %d replicas are more than the %d partitions that there are to read" .name $most $partitions) -}}
{{- end -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top .component) | nindent 4 }}
spec:
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: 900 # a start may take ten minutes
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "stories.selector" (list $top .component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "stories.podLabels" (list $top .component) | nindent 8 }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "stories.placement" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      topologySpreadConstraints: {{- include "stories.spread" (list $top .component $values) | trim | nindent 8 }}
      initContainers:
        - {{ include "stories.container" (dict "top" $top "name" "init" "topics" false "with" .with "arguments" (list "init") "values" $values "resources" $values.resources) | indent 10 | trim }}
      containers:
        - {{ include "stories.container" (dict "top" $top "name" $top.Chart.Name "topics" false "with" .with "arguments" list "values" $values "resources" $values.resources) | indent 10 | trim }}
          ports:
            - name: http
              containerPort: 8000
          {{- include "stories.probes" $top | nindent 10 }}
          lifecycle: {{- include "stories.preStop" $top | nindent 12 }}
      volumes: {{- include "stories.volumes" (dict "top" $top "topics" false "values" $values "scratch" $values.scratch) | nindent 8 }}
{{- end -}}

{{/* One at a time, and never in the way of a node that is drained. Call with a part. */}}
{{- define "stories.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .top.Release.Namespace }}
  labels: {{- include "stories.labels" (list .top .component) | nindent 4 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "stories.selector" (list .top .component) | nindent 6 }}
{{- end -}}

{{/* Makes the service's topics with an identity of its own, once for each change: the hash is part of its name, since a
     Job never changes. No hook: what reads the topics waits for them, unready, and names them. */}}
{{- define "stories.topicsJob" -}}
{{- $values := .Values -}}
{{- $part := dict "top" . "component" "topics" "values" $values -}}
{{- $resources := dict "requests" (dict "cpu" "50m" "memory" "128Mi" "ephemeral-storage" "128Mi") "limits" (dict "memory" "256Mi" "ephemeral-storage" "512Mi") -}}
{{- $container := include "stories.container" (dict "top" . "name" "topics" "topics" true "with" dict "arguments" (list "init") "values" $values "resources" $resources) -}}
{{- $volumes := include "stories.volumes" (dict "top" . "topics" true "values" $values "scratch" "64Mi") -}}
{{- $hash := printf "%s%s%s%s" $container $volumes (include "stories.placement" $part) (include "stories.topics" . ) | sha256sum | trunc 8 -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "stories.name" . }}-topics-{{ $hash }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "stories.labels" (list . "topics") | nindent 4 }}
spec:
  backoffLimit: 30
  template:
    metadata:
      labels: {{- include "stories.podLabels" (list . "topics") | nindent 8 }}
    spec:
      restartPolicy: OnFailure
      {{- include "stories.placement" $part | nindent 6 }}
      containers:
        - {{ $container | indent 10 | trim }}
      volumes: {{- $volumes | nindent 8 }}
{{- end -}}
