{{/* A value as the environment has it: whole numbers never in scientific notation. */}}
{{- define "stories.written" -}}
{{- if kindIs "float64" . -}}{{- int64 . -}}{{- else if kindIs "slice" . -}}{{- join "," . -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- end -}}

{{/* The Kafka settings as JSON: the chart's over the global ones, and the Job's over those where asked.
     Call with (dict "top" $ "topics" true|false). */}}
{{- define "stories.kafka" -}}
{{- $kafka := include "stories.shared" (list .top "kafka") | fromJson -}}
{{- if .topics -}}
{{- $kafka = mustMergeOverwrite $kafka (deepCopy (.top.Values.global.topics.kafka | default dict)) -}}
{{- end -}}
{{- $kafka | toJson -}}
{{- end -}}

{{/* The environment of a service's container. Call with (dict "top" $ "topics" bool "with" {NAME: value}). */}}
{{- define "stories.environment" -}}
{{- $top := .top -}}
{{- $global := $top.Values.global -}}
{{- $kafka := include "stories.kafka" . | fromJson -}}
{{- $protocol := $kafka.securityProtocol -}}
{{- $s3 := include "stories.shared" (list $top "s3") | fromJson -}}
{{- $facts := include "stories.facts" $top | fromJson -}}
{{- $files := "/run/stories" -}}
{{- $env := dict
  "KAFKA_BOOTSTRAP_SERVERS" (required "global.kafka.bootstrapServers is needed" $kafka.bootstrapServers)
  "KAFKA_TOPIC_PREFIX" $kafka.topicPrefix
  "KAFKA_SECURITY_PROTOCOL" $protocol
  "KAFKA_IDEMPOTENT" $kafka.idempotent
  "TOPICS" (ternary "init" "external" .topics)
  "TOPIC_PARTITIONS" $global.topics.partitions
  "TOPIC_REPLICATION" $global.topics.replication
  "MONGO_URL_FILE" (printf "%s/secrets/mongo-url" $files)
  "AUTH_JWKS" (required "global.auth.jwks (or jwksConfigMap) is needed" (ternary (printf "%s/jwks/%s" $files $global.auth.jwksConfigMap.key) $global.auth.jwks (ne $global.auth.jwksConfigMap.name "")))
  "AUTH_ISSUER" (required "global.auth.issuer is needed" $global.auth.issuer)
  "AUTH_AUDIENCE" (required "global.auth.audience is needed" $global.auth.audience)
  "AUTH_USER_CLAIM" $global.auth.userClaim
  "TICKET_KEYS_FILE" (printf "%s/secrets/ticket-keys" $files)
  "STORY_LIFETIMES" $global.storyLifetimes
  "PUBLIC_URL" (required "global.publicUrl is needed" $global.publicUrl)
  "LOG_LEVEL" $global.logLevel
  "PORT" 8000
-}}
{{- if hasPrefix "SASL_" $protocol -}}
{{- $_ := set $env "KAFKA_SASL_MECHANISM" $kafka.saslMechanism -}}
{{- $_ := set $env "KAFKA_SASL_PASSWORD_FILE" (printf "%s/secrets/kafka-password" $files) -}}
{{- if $kafka.username -}}
{{- $_ := set $env "KAFKA_SASL_USERNAME" (include "stories.fill" (list $top $kafka.username)) -}}
{{- else -}}
{{- $_ := set $env "KAFKA_SASL_USERNAME_FILE" (printf "%s/secrets/kafka-username" $files) -}}
{{- end -}}
{{- end -}}
{{- if hasSuffix "SSL" $protocol -}}
{{- if $kafka.ca.secret -}}
{{- $_ := set $env "KAFKA_SSL_CAFILE" (printf "%s/secrets/kafka-ca.crt" $files) -}}
{{- end -}}
{{- if $kafka.certificate.secret -}}
{{- $_ := set $env "KAFKA_SSL_CERTFILE" (printf "%s/secrets/kafka-user.crt" $files) -}}
{{- $_ := set $env "KAFKA_SSL_KEYFILE" (printf "%s/secrets/kafka-user.key" $files) -}}
{{- end -}}
{{- end -}}
{{- if $facts.objects -}}
{{- $_ := set $env "S3_ENDPOINT" (required "global.s3.endpoint is needed" $s3.endpoint) -}}
{{- $_ := set $env "S3_PUBLIC_ENDPOINT" $s3.publicEndpoint -}}
{{- $_ := set $env "S3_BUCKET" $s3.bucket -}}
{{- $_ := set $env "S3_SECURE" $s3.secure -}}
{{- $_ := set $env "S3_REGION" $s3.region -}}
{{- $_ := set $env "S3_CREDENTIALS" $s3.credentials -}}
{{- if eq $s3.credentials "static" -}}
{{- $_ := set $env "S3_ACCESS_KEY_FILE" (printf "%s/secrets/s3-access-key" $files) -}}
{{- $_ := set $env "S3_SECRET_KEY_FILE" (printf "%s/secrets/s3-secret-key" $files) -}}
{{- end -}}
{{- end -}}
{{- if $global.caBundle.configMap -}}
{{- $_ := set $env "CA_BUNDLE" (printf "%s/authorities/%s" $files $global.caBundle.key) -}}
{{- end -}}
{{- if and $facts.rollout $global.rollout -}}
{{- $_ := set $env "ROLLOUT_FILE" (printf "%s/rollout/rollout.yaml" $files) -}}
{{- end -}}
{{- $env = mustMergeOverwrite $env (deepCopy (.with | default dict)) -}}
{{- range $name, $value := $top.Values.settings -}}
{{- $_ := set $env $name $value -}}
{{- end -}}
{{- range $name := keys $env | sortAlpha -}}
{{- $value := include "stories.written" (index $env $name) -}}
{{- if ne $value "" }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* One file of the projected secrets, at most once per call. Call with (list $ "secret" "key" "path"). */}}
{{- define "stories.secretFile" -}}
{{- $top := index . 0 }}
- secret:
    name: {{ include "stories.fill" (list $top (index . 1)) }}
    items:
      - key: {{ include "stories.fill" (list $top (index . 2)) }}
        path: {{ index . 3 }}
{{- end -}}

{{/* The volumes of a service's pod. Call as the environment, and with "scratch": the size of /tmp. */}}
{{- define "stories.volumes" -}}
{{- $top := .top -}}
{{- $global := $top.Values.global -}}
{{- $kafka := include "stories.kafka" . | fromJson -}}
{{- $protocol := $kafka.securityProtocol -}}
{{- $mongo := include "stories.shared" (list $top "mongo") | fromJson -}}
{{- $s3 := include "stories.shared" (list $top "s3") | fromJson -}}
{{- $facts := include "stories.facts" $top | fromJson -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .scratch }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "stories.secretFile" (list $top $mongo.secret $mongo.key "mongo-url") | trim | nindent 6 }}
      {{- include "stories.secretFile" (list $top $global.tickets.secret $global.tickets.key "ticket-keys") | trim | nindent 6 }}
      {{- if and $facts.objects (eq $s3.credentials "static") }}
      {{- include "stories.secretFile" (list $top $s3.secret $s3.accessKeyKey "s3-access-key") | trim | nindent 6 }}
      {{- include "stories.secretFile" (list $top $s3.secret $s3.secretKeyKey "s3-secret-key") | trim | nindent 6 }}
      {{- end }}
      {{- if hasPrefix "SASL_" $protocol }}
      {{- $secret := required "kafka.credentials.secret is needed with SASL" $kafka.credentials.secret }}
      {{- include "stories.secretFile" (list $top $secret $kafka.credentials.passwordKey "kafka-password") | trim | nindent 6 }}
      {{- if not $kafka.username }}
      {{- include "stories.secretFile" (list $top $secret $kafka.credentials.usernameKey "kafka-username") | trim | nindent 6 }}
      {{- end }}
      {{- end }}
      {{- if hasSuffix "SSL" $protocol }}
      {{- with $kafka.ca.secret }}
      {{- include "stories.secretFile" (list $top . $kafka.ca.key "kafka-ca.crt") | trim | nindent 6 }}
      {{- end }}
      {{- with $kafka.certificate.secret }}
      {{- include "stories.secretFile" (list $top . $kafka.certificate.certificateKey "kafka-user.crt") | trim | nindent 6 }}
      {{- include "stories.secretFile" (list $top . $kafka.certificate.keyKey "kafka-user.key") | trim | nindent 6 }}
      {{- end }}
      {{- end }}
{{- if $global.auth.jwksConfigMap.name }}
- name: jwks
  configMap:
    name: {{ $global.auth.jwksConfigMap.name }}
{{- end }}
{{- if and $facts.rollout $global.rollout }}
- name: rollout
  configMap:
    name: {{ include "stories.name" $top }}-rollout
{{- end }}
{{- if $global.caBundle.configMap }}
- name: authorities
  configMap:
    name: {{ $global.caBundle.configMap }}
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whole folders, never a subPath: so a changed key set reaches the running process. */}}
{{- define "stories.mounts" -}}
{{- $global := .Values.global -}}
{{- $facts := include "stories.facts" . | fromJson -}}
- name: tmp
  mountPath: /tmp
- name: secrets
  mountPath: /run/stories/secrets
  readOnly: true
{{- if $global.auth.jwksConfigMap.name }}
- name: jwks
  mountPath: /run/stories/jwks
  readOnly: true
{{- end }}
{{- if and $facts.rollout $global.rollout }}
- name: rollout
  mountPath: /run/stories/rollout
  readOnly: true
{{- end }}
{{- if $global.caBundle.configMap }}
- name: authorities
  mountPath: /run/stories/authorities
  readOnly: true
{{- end }}
{{- end -}}
