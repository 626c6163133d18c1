{{/* Restricted pod security, for every pod that we ship. */}}
{{- define "stories.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stories.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where pods go and who pulls their image. Call with (dict "top" $ "component" "api" "values" $values). */}}
{{- define "stories.placement" -}}
{{- $top := .top -}}
serviceAccountName: {{ include "stories.serviceAccountName" $top }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $top.Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "stories.podSecurity" $top | nindent 2 }}
{{- end -}}

{{/* The constraints of the values, or replicas over zones and nodes, where there are several.
     Call with (list $ "component" $values). */}}
{{- define "stories.spread" -}}
{{- $selector := include "stories.selector" (list (index . 0) (index . 1)) -}}
{{- with (index . 2).topologySpreadConstraints -}}
{{- toYaml . }}
{{- else -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- $selector | nindent 6 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Stopping: endpoints and the gateway forget the pod during preStop, then it drains for at most ten seconds. */}}
{{- define "stories.preStop" -}}
preStop:
  exec:
    command: [sleep, "5"]
{{- end -}}

{{/* Started: it was ready once (connected, its topics there, its index loaded). Alive: its loops turn, its consumers
     move. Ready: it can answer for itself; what all replicas lack at once (Kafka, MongoDB, the bucket) takes none of them
     away, since much can be answered without, and 503 with Retry-After said for the rest. */}}
{{- define "stories.probes" -}}
startupProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 300
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: "/readyz?exclude=kafka&exclude=mongodb&exclude=dead-lettering&exclude=bucket", port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* A container of a service's image.
     Call with (dict "top" $ "name" "init" "topics" bool "with" {…} "arguments" (list …) "values" {…} "resources" {…}). */}}
{{- define "stories.container" -}}
{{- $top := .top -}}
name: {{ .name }}
image: {{ include "stories.image" $top | quote }}
imagePullPolicy: {{ $top.Values.global.image.pullPolicy }}
args: {{ concat (list "python" "-m" (printf "stories_%s" $top.Chart.Name)) .arguments | toJson }}
env:
  {{- include "stories.environment" . | trim | nindent 2 }}
  {{- with .values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources: {{- toYaml .resources | nindent 2 }}
securityContext: {{- include "stories.containerSecurity" $top | nindent 2 }}
volumeMounts:
  {{- include "stories.mounts" $top | nindent 2 }}
  {{- with .values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
