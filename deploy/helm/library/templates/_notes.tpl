{{/* What to do next. */}}
{{- define "stories.notes" -}}
{{- $name := include "stories.name" . -}}
{{ .Chart.Name }} {{ .Chart.AppVersion }} is installed as {{ $name }} in {{ .Release.Namespace }}.

  kubectl -n {{ .Release.Namespace }} rollout status deployment/{{ $name }}
  kubectl -n {{ .Release.Namespace }} logs deployment/{{ $name }} --all-containers

A pod that does not get ready says why:

  kubectl -n {{ .Release.Namespace }} port-forward deployment/{{ $name }} 8000:8000
  curl http://127.0.0.1:8000/readyz
{{- if eq .Values.global.topics.mode "external" }}

It makes no topics: those of deploy/strimzi have to be there.
{{- end }}
{{- end -}}
