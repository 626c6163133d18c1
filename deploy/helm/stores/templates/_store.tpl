{{/* What all pods here have. Call with (dict "top" $ "user" n). */}}
{{- define "stores.pod" -}}
serviceAccountName: {{ include "stories.serviceAccountName" .top }}
automountServiceAccountToken: false
enableServiceLinks: false # KAFKA_PORT and others would be taken for settings of Kafka
{{- with .top.Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* /tmp, and these entries of the secret as files. Call with (dict "top" $ "secrets" (list …)). */}}
{{- define "stores.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if .secrets }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .top.Values.secret }}
          items:
            {{- range .secrets }}
            - {key: {{ . }}, path: {{ . }}}
            {{- end }}
{{- end }}
{{- end -}}

{{/* One server with a volume. The service has no address of its own: the name stands for the pod, also for the server
     itself while it is not ready. Call with (dict "top" $ "name" … "port" n "user" n "values" {…} "secrets" (list …)). */}}
{{- define "stores.store" -}}
{{- $top := .top -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top .name) | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {{- include "stories.selector" (list $top .name) | nindent 4 }}
  ports:
    - name: {{ .name }}
      port: {{ .port }}
      targetPort: {{ .name }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  namespace: {{ $top.Release.Namespace }}
  labels: {{- include "stories.labels" (list $top .name) | nindent 4 }}
spec:
  serviceName: {{ .name }}
  replicas: 1
  # A trial leaves nothing; and a volume that outlived its secrets would take none of new ones.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  selector:
    matchLabels: {{- include "stories.selector" (list $top .name) | nindent 6 }}
  template:
    metadata:
      labels: {{- include "stories.podLabels" (list $top .name) | nindent 8 }}
    spec:
      {{- include "stores.pod" (dict "top" $top "user" .user) | nindent 6 }}
      terminationGracePeriodSeconds: 60
      containers:
        - name: {{ .name }}
          image: {{ .values.image }}
          {{- include (printf "stores.%s" .name) $top | nindent 10 }}
          ports:
            - {name: {{ .name }}, containerPort: {{ .port }}}
          resources:
            requests: {cpu: 200m, memory: 512Mi, ephemeral-storage: 128Mi}
            limits: {memory: 1200Mi, ephemeral-storage: 512Mi}
          securityContext: {{- include "stories.containerSecurity" $top | nindent 12 }}
      volumes:
        {{- include "stores.volumes" . | nindent 8 }}
        {{- if eq .name "kafka" }}
        - name: configuration
          emptyDir: {sizeLimit: 4Mi}
        {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $top.Values.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ .values.storage }}}
{{- end -}}

{{- define "stores.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/stores, readOnly: true}
{{- end -}}

{{- define "stores.kafka" -}}
env:
  - {name: CLUSTER_ID, value: c3Rvcmllcy1jb21wb3NlMQ}
  - {name: LOG_DIR, value: /tmp/logs}
  {{- $settings := dict
    "NODE_ID" "1"
    "PROCESS_ROLES" "broker,controller"
    "CONTROLLER_QUORUM_VOTERS" "1@localhost:9093"
    "CONTROLLER_LISTENER_NAMES" "CONTROLLER"
    "INTER_BROKER_LISTENER_NAME" "INTERNAL"
    "LISTENERS" "INTERNAL://:9092,CONTROLLER://:9093"
    "ADVERTISED_LISTENERS" "INTERNAL://kafka:9092"
    "LISTENER_SECURITY_PROTOCOL_MAP" "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
    "LOG_DIRS" "/var/lib/kafka/data/log"
    "AUTO_CREATE_TOPICS_ENABLE" "false"
    "DEFAULT_REPLICATION_FACTOR" "1"
    "MIN_INSYNC_REPLICAS" "1"
    "OFFSETS_TOPIC_REPLICATION_FACTOR" "1"
    "OFFSETS_TOPIC_NUM_PARTITIONS" "3"
    "TRANSACTION_STATE_LOG_REPLICATION_FACTOR" "1"
    "TRANSACTION_STATE_LOG_MIN_ISR" "1"
    "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR" "1"
    "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR" "1"
    "GROUP_INITIAL_REBALANCE_DELAY_MS" "0"
    "LOG_RETENTION_CHECK_INTERVAL_MS" "60000"
    "HEAP_OPTS" "-Xms256m -Xmx512m"
  }}
  {{- range $name, $value := $settings }}
  - {name: KAFKA_{{ $name }}, value: {{ $value | quote }}}
  {{- end }}
startupProbe:
  tcpSocket: {port: kafka}
  periodSeconds: 1
  failureThreshold: 300
readinessProbe:
  tcpSocket: {port: kafka}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: data, mountPath: /var/lib/kafka/data}
  - {name: configuration, mountPath: /opt/kafka/config} # written by the image's start
{{- end -}}

{{/* Members of a replica set prove themselves to each other with a key, in a file that only they may read. */}}
{{- define "stores.mongodb" -}}
command: [bash, -euc]
args:
  - |
    (umask 077; cat /run/stores/MONGO_REPLICA_KEY > /tmp/replica.key)
    exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /tmp/replica.key --bind_ip_all --slowms 2147483647 \
      --wiredTigerCacheSizeGB 0.5 --setParameter transactionLifetimeLimitSeconds=10
env:
  - {name: MONGO_INITDB_ROOT_USERNAME, value: root}
  - {name: MONGO_INITDB_ROOT_PASSWORD_FILE, value: /run/stores/MONGO_ROOT_PASSWORD}
startupProbe:
  tcpSocket: {port: mongodb}
  periodSeconds: 1
  failureThreshold: 300
readinessProbe:
  tcpSocket: {port: mongodb}
volumeMounts:
  {{- include "stores.mounts" . | nindent 2 }}
  - {name: data, mountPath: /data/db}
{{- end -}}

{{- define "stores.s3" -}}
command: [sh, -euc]
args:
  - |
    export AWS_ACCESS_KEY_ID="$(cat /run/stores/S3_ACCESS_KEY)" AWS_SECRET_ACCESS_KEY="$(cat /run/stores/S3_SECRET_KEY)"
    exec weed -logtostderr=true server -dir=/data -ip=s3 -ip.bind=0.0.0.0 -filer -filer.disableDirListing \
      -s3 -s3.port=9000 -s3.autoCreateBucket=false -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false \
      -s3.allowedOrigins={{ .Values.global.corsOrigins | default (list (.Values.global.publicUrl | default "http://127.0.0.1:8080")) | join "," }} \
      -volume.max=0 -volume.preStopSeconds=0 -volume.minFreeSpace=1 \
      -master.volumeSizeLimitMB=256 -master.electionTimeout=1s -master.heartbeatInterval=100ms -master.telemetry=false
env:
  - {name: TMPDIR, value: /data} # parts of a form that is uploaded wait there, and may be larger than /tmp
  - {name: WEED_MASTER_VOLUME_GROWTH_COPY_1, value: "1"}
  - {name: GOMEMLIMIT, value: 768MiB}
startupProbe:
  httpGet: {path: /healthz, port: s3}
  periodSeconds: 1
  failureThreshold: 300
readinessProbe:
  httpGet: {path: /healthz, port: s3}
volumeMounts:
  {{- include "stores.mounts" . | nindent 2 }}
  - {name: data, mountPath: /data}
{{- end -}}
