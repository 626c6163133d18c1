{{/* The name that a chart of this family has in this release: RELEASE-CHART, or CHART where the release is called so.
     Charts' names have no hyphen, so no two releases or charts ever come to one name. Call with (list $ "feed"). */}}
{{- define "stories.nameOf" -}}
{{- $top := index . 0 -}}
{{- $release := $top.Release.Name -}}
{{- if gt (len $release) 40 -}}
{{- fail (printf "the release's name %s is longer than 40 characters" $release) -}}
{{- end -}}
{{- if eq $release $top.Chart.Name -}}
{{- index . 1 -}}
{{- else -}}
{{- printf "%s-%s" $release (index . 1) -}}
{{- end -}}
{{- end -}}

{{- define "stories.name" -}}
{{- include "stories.nameOf" (list . .Chart.Name) -}}
{{- end -}}

{{/* Call with (list $ "component"). */}}
{{- define "stories.selector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ $top.Chart.Name }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "stories.labels" -}}
{{- $top := index . 0 -}}
{{ include "stories.selector" . }}
app.kubernetes.io/part-of: stories
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* A pod's, without the chart's version: a chart that changes nothing for it does not restart it. */}}
{{- define "stories.podLabels" -}}
{{ include "stories.selector" . }}
app.kubernetes.io/part-of: stories
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
{{- end -}}

{{- define "stories.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "stories.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where none is created" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* registry/repository:tag or registry/repository@digest. */}}
{{- define "stories.image" -}}
{{- $shared := .Values.global.image -}}
{{- $own := .Values.image -}}
{{- $registry := $own.registry | default $shared.registry -}}
{{- $name := ternary (printf "%s/%s" $registry $own.repository) $own.repository (ne $registry "") -}}
{{- if $own.digest -}}
{{- printf "%s@%s" $name $own.digest -}}
{{- else -}}
{{- $tag := $own.tag | default $shared.tag | default .Chart.AppVersion -}}
{{- if eq $tag "latest" -}}
{{- fail "the tag latest names another image every day: name a version or a digest" -}}
{{- end -}}
{{- printf "%s:%s" $name $tag -}}
{{- end -}}
{{- end -}}

{{/* A text with {service} filled in. Call with (list $ "text"). */}}
{{- define "stories.fill" -}}
{{- index . 1 | replace "{service}" (index . 0).Chart.Name -}}
{{- end -}}

{{/* What this chart says of kafka, mongo or s3, over what all say. Call with (list $ "kafka"); gives JSON. */}}
{{- define "stories.shared" -}}
{{- $top := index . 0 -}}
{{- $key := index . 1 -}}
{{- mustMergeOverwrite (deepCopy (index $top.Values.global $key)) (deepCopy (index $top.Values $key | default dict)) | toJson -}}
{{- end -}}
