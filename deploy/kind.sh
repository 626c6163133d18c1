#!/bin/sh
# A trial on Kubernetes, run by `make kind`: a kind cluster with the images of this checkout and with Kafka, MongoDB and
# SeaweedFS in it. It can be run again; `kind delete cluster --name stories` removes all of it.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:$PWD/.venv-deploy/bin # Helm, after `make install/deploy`

missing=
for tool in docker kind kubectl helm openssl; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "make kind needs what is missing here:$missing" >&2
    echo "(https://docs.docker.com/engine/install, https://kind.sigs.k8s.io, https://kubernetes.io/docs/tasks/tools, https://helm.sh/docs/intro/install)" >&2
    exit 1
fi
docker info >/dev/null 2>&1 || { echo "make kind needs a Docker daemon, and none answers" >&2; exit 1; }

sh deploy/secrets.sh
docker compose --profile tools build
kind get clusters 2>/dev/null | grep -qx stories || kind create cluster --name stories --wait 3m
version=$(sed -n 's/^appVersion: //p' deploy/helm/stories/Chart.yaml)
kind load docker-image --name stories "stories-ingest:$version" "stories-feed:$version" "stories-engagement:$version" "stories-expiry:$version"

kubectl="kubectl --context kind-stories"
$kubectl create namespace stories --dry-run=client -o yaml | $kubectl apply -f -
$kubectl label --overwrite namespace stories pod-security.kubernetes.io/enforce=restricted
sh deploy/helm/secrets.sh | $kubectl -n stories apply -f -
helm upgrade --install stories deploy/helm/stories --kube-context kind-stories --namespace stories \
    --values deploy/helm/examples/quickstart.yaml
$kubectl -n stories wait deployment --all --for condition=Available --timeout 10m

cat <<'END'
Ready. In a terminal of its own:

  kubectl --context kind-stories -n stories port-forward service/stories-gateway 8080:80 &
  kubectl --context kind-stories -n stories port-forward service/s3 9000:9000

Then http://127.0.0.1:8080/docs, and tokens with: docker compose run --rm --no-deps cli token ann
END
