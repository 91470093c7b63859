{{- define "app.selectorLabels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "app.labels" -}}
{{ include "app.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* The image's reference; empty while nothing was deployed yet. */}}
{{- define "app.image" -}}
{{- $image := .Values.image -}}
{{- /* Helm turns an unquoted 33356460 into 3.335646e+07 before any template could quote it. */ -}}
{{- if not (kindIs "string" $image.tag) -}}
{{- fail `image.tag has to be a quoted string; "" means that nothing was deployed yet` -}}
{{- end -}}
{{- if $image.tag -}}
{{- required "image.repository is missing" $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "app.workloadKind" -}}
{{ if .Values.canary.steps }}Rollout{{ else }}Deployment{{ end }}
{{- end }}

{{- define "app.workloadVersion" -}}
{{ if .Values.canary.steps }}argoproj.io/v1alpha1{{ else }}apps/v1{{ end }}
{{- end }}
