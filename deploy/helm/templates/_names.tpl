{{/* The StatefulSet, its client Service and the first part of all other names. A Service begins with a letter, and pods get a number. */}}
{{- define "dkv.fullname" -}}
{{- $name := default .Release.Name .Values.fullnameOverride -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$" $name) -}}
{{- fail (printf "The release is named %q: names of Services begin with a letter and have no dots. Take another, of up to 40 characters, or set fullnameOverride." $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* What is wrong together fails here, with what to do. */}}
{{- define "dkv.checks" -}}
{{- if eq (int .Values.ports.http) (int .Values.ports.peers) -}}
{{- fail (printf "ports.http and ports.peers are both %v: give two." .Values.ports.http) -}}
{{- end -}}
{{- if and .Release.IsInstall (gt (int .Values.clusterSize) (int .Values.replicas)) -}}
{{- fail (printf "clusterSize is %v and replicas is %v: the pods would wait for others for ever. Give a clusterSize of more than half of the replicas." .Values.clusterSize .Values.replicas) -}}
{{- end -}}
{{- if and .Release.IsInstall (le (mul 2 .Values.clusterSize) (int .Values.replicas)) -}}
{{- fail (printf "clusterSize is %v and replicas is %v: the pods could make two clusters. Give a clusterSize of more than half of the replicas." .Values.clusterSize .Values.replicas) -}}
{{- end -}}
{{- $rest := sub .Values.shutdown.graceSeconds .Values.shutdown.delaySeconds -}}
{{- if lt (int $rest) 30 -}}
{{- fail (printf "Of shutdown.graceSeconds, %d are left after shutdown.delaySeconds: a node needs 30 to stop in order. Give more." $rest) -}}
{{- end -}}
{{- if and (eq .Values.persistence.whenScaled "Delete") (not .Values.scaleDown.decommission) -}}
{{- fail "persistence.whenScaled is Delete and scaleDown.decommission is false: pods that go would take their data with them. Change one of them." -}}
{{- end -}}
{{- end -}}

{{- define "dkv.peers" -}}{{ include "dkv.fullname" . }}-peers{{- end -}}
{{- define "dkv.keysSecret" -}}{{ default (printf "%s-keys" (include "dkv.fullname" .)) .Values.keys.existingSecret }}{{- end -}}
{{- define "dkv.tlsSecret" -}}{{ default (printf "%s-peer-tls" (include "dkv.fullname" .)) .Values.tls.existingSecret }}{{- end -}}
{{- define "dkv.dataDir" -}}{{ .Values.persistence.mountPath }}/dkv{{- end -}}

{{/* Of all pods of this release. */}}
{{- define "dkv.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of those that are nodes of the cluster: neither of the Job that scales down nor of the test. */}}
{{- define "dkv.nodeSelector" -}}
{{ include "dkv.selector" . }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "dkv.labels" -}}
{{ include "dkv.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "dkv.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository is not set: give the image of your application, as deploy/docker/Dockerfile makes one." $image.repository -}}
{{- if and (not $image.tag) (not $image.digest) -}}
{{- fail "Neither image.tag nor image.digest is set: give the version of your application's image." -}}
{{- end -}}
{{- $repository }}{{ with $image.tag }}:{{ . }}{{ end }}{{ with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "dkv.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.userId }}
runAsGroup: {{ .Values.userId }}
fsGroup: {{ .Values.userId }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "dkv.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* One key of the Secret as a variable: list of context, variable and key. */}}
{{- define "dkv.keyVariable" -}}
- name: {{ index . 1 }}
  valueFrom: { secretKeyRef: { name: {{ include "dkv.keysSecret" (index . 0) }}, key: {{ index . 2 }} } }
{{- end -}}

{{/* What the command `dkv` needs to ask nodes: list of context and hosts. */}}
{{- define "dkv.commandVariables" -}}
{{- $root := index . 0 -}}
{{- $scheme := ternary "https" "http" $root.Values.tls.enabled -}}
{{- $urls := list -}}
{{- range index . 1 }}{{ $urls = append $urls (printf "%s://%s:%v" $scheme . $root.Values.ports.peers) }}{{ end -}}
- { name: DKV_URL, value: {{ join "," $urls | quote }} }
{{ include "dkv.keyVariable" (list $root "DKV_ADMIN_KEY" "admin-key") }}
{{- if $root.Values.tls.enabled }}
- { name: DKV_CA, value: /tls/ca.crt }
- { name: DKV_CERT, value: /tls/tls.crt }
- { name: DKV_CERT_KEY, value: /tls/tls.key }
{{- end -}}
{{- end -}}

{{/* Mounts of every container that runs `dkv` or the application. */}}
{{- define "dkv.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if .Values.tls.enabled }}
- { name: tls, mountPath: /tls, readOnly: true }
{{- end -}}
{{- end -}}

{{- define "dkv.volumes" -}}
- { name: tmp, emptyDir: { sizeLimit: 64Mi } }
{{- if .Values.tls.enabled }}
- { name: tls, secret: { secretName: {{ include "dkv.tlsSecret" . }}, defaultMode: 288 } } # 0440
{{- end -}}
{{- end -}}

{{/* The pods below a number, by their names in the headless Service: list of context and number. */}}
{{- define "dkv.hosts" -}}
{{- $root := index . 0 -}}
{{- $hosts := list -}}
{{- range until (int (index . 1)) }}{{ $hosts = append $hosts (printf "%s-%d.%s" (include "dkv.fullname" $root) . (include "dkv.peers" $root)) }}{{ end -}}
{{- toJson $hosts -}}
{{- end -}}
