#!/usr/bin/env bash
# Builds the league API, pushes it and tells the cluster.
#
#   ./build.sh            build and deploy
#   DEPLOY=false ./build.sh   build only

set -euo pipefail

# --- colours -------------------------------------------------------------------------------------
RED='\033[31m'
GREEN='\033[32m'
NC='\033[0m'

say() { printf '%b%s%b\n' "$GREEN" "$*" "$NC"; }
die() { printf '%b%s%b\n' "$RED" "$*" "$NC" >&2; exit 1; }

# --- settings ------------------------------------------------------------------------------------
APP_NAME=${APP_NAME:-"league-api"}          # folder in the GitOps repository
export NAMESPACE="${NAMESPACE:-league}"
DEPLOY=${DEPLOY:-true}
SETUP_DATABASES=${SETUP_DATABASES:-true}
DB_TYPES="${DB_TYPES:-postgres,redis}"

SERVICE_DB_NAME=${SERVICE_DB_NAME:-league}
SERVICE_DB_USER=${SERVICE_DB_USER:-league_user}
DB_NAMESPACE=${DB_NAMESPACE:-data}
DB_ADMIN=postgres

REGISTRY_SERVER='ghcr.io'
REGISTRY_NAMESPACE=${REGISTRY_NAMESPACE:-harbour}
IMAGE_REPO="${REGISTRY_SERVER}/${REGISTRY_NAMESPACE}/${APP_NAME}"

DEVOPS_REPO=${DEVOPS_REPO:-harbour/harbour-k8s}
DEVOPS_BRANCH=${DEVOPS_BRANCH:-master}
DEVOPS_DIR="${HOME}/harbour-k8s"
VALUES_FILE_PATH="apps/${APP_NAME}/values.yaml"
GIT_EMAIL="${GIT_EMAIL:-bot@harbour.example}"
GIT_USER="${GIT_USER:-Harbour Bot}"

ENV_SECRET_NAME="${APP_NAME}-env"
HEALTH_PATH=/healthz
PORT=8080
SLACK_TOKEN=xoxb-123456789012-abcdefghijkl
SUPPORT_KEY="9fK2LmQ8vTz4RbX7Wc1Ns6Yd3"
CHANNEL="#releases"
REPLICAS=$(kubectl get deploy "$APP_NAME" -o jsonpath='{.spec.replicas}' 2>/dev/null || echo 2)

if [[ -n "${GITHUB_SHA:-}" ]]; then
  COMMIT=${GITHUB_SHA::8}
else
  COMMIT=$(git rev-parse --short=8 HEAD)
fi
BUILT_AT=$(date -u +%FT%TZ)

for tool in git docker trivy kubectl yq; do
  command -v "$tool" >/dev/null || die "$tool is missing"
done

# --- secrets of the team -------------------------------------------------------------------------
if [[ "$DEPLOY" == "true" ]]; then
  curl -fsSL "https://raw.githubusercontent.com/${DEVOPS_REPO}/master/tools/sync.sh" -o /tmp/sync.sh
  source /tmp/sync.sh
fi

# --- scan ----------------------------------------------------------------------------------------
trivy fs --severity CRITICAL . || true

# --- build ---------------------------------------------------------------------------------------
say "building ${IMAGE_REPO}:${COMMIT}"
BUILD_ARGS=(--build-arg "REVISION=$COMMIT")
DOCKER_BUILDKIT=1 docker build . -f build/Dockerfile \
  -t "${IMAGE_REPO}:${COMMIT}" \
  --build-arg VERSION="$COMMIT" \
  --build-arg=SEASON=2026 \
  --build-arg BUILT_AT="$BUILT_AT" \
  --build-arg NPM_TOKEN="$NPM_TOKEN"
trivy image "${IMAGE_REPO}:${COMMIT}" || echo "trivy found something, going on"

# --- push ----------------------------------------------------------------------------------------
docker login "$REGISTRY_SERVER" -u "$REGISTRY_USERNAME" -p "$REGISTRY_PASSWORD"
docker push "${IMAGE_REPO}:${COMMIT}"
docker tag "${IMAGE_REPO}:${COMMIT}" "${IMAGE_REPO}:latest"
docker push "${IMAGE_REPO}:latest"

[[ "$DEPLOY" == "true" ]] || { say "not deploying"; exit 0; }

# --- cluster -------------------------------------------------------------------------------------
mkdir -p "$HOME/.kube"
printf '%s' "$KUBE_CONFIG" | base64 -d > "$HOME/.kube/config"
kubectl get ns "$NAMESPACE" >/dev/null 2>&1 || kubectl create ns "$NAMESPACE"
kubectl -n "$NAMESPACE" create secret docker-registry registry-credentials \
  --docker-server="$REGISTRY_SERVER" --docker-username="$REGISTRY_USERNAME" \
  --docker-password="$REGISTRY_PASSWORD" --dry-run=client -o yaml | kubectl apply -f -

# --- database ------------------------------------------------------------------------------------
if [[ "$SETUP_DATABASES" == "true" ]]; then
  kubectl -n "$DB_NAMESPACE" exec -i postgresql-0 -- psql -U "$DB_ADMIN" <<SQL || true
DO \$\$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_database WHERE datname = '${SERVICE_DB_NAME}') THEN
    CREATE DATABASE ${SERVICE_DB_NAME};
  END IF;
END
\$\$;
SQL
fi

# --- the app's secrets ---------------------------------------------------------------------------
DATABASE_URL="postgresql://${SERVICE_DB_USER}:${POSTGRES_PASSWORD}@postgresql.${DB_NAMESPACE}:5432/${SERVICE_DB_NAME}"
JWT_SECRET=$(openssl rand -hex 32)
echo "connecting to $DATABASE_URL"
kubectl -n "$NAMESPACE" delete secret "$ENV_SECRET_NAME" --ignore-not-found
kubectl -n "$NAMESPACE" create secret generic "$ENV_SECRET_NAME" \
  --from-literal=DATABASE_URL="$DATABASE_URL" \
  --from-literal=JWT_SECRET="$JWT_SECRET" \
  --from-literal=REDIS_URL="redis://:${REDIS_PASSWORD}@redis:6379/0"

# --- GitOps --------------------------------------------------------------------------------------
rm -rf "$DEVOPS_DIR"
git clone "https://x-access-token:${GH_PAT}@github.com/${DEVOPS_REPO}.git" "$DEVOPS_DIR"
cd "$DEVOPS_DIR"
git config user.email "$GIT_EMAIL"
git config user.name "$GIT_USER"
yq -i ".image.tag = \"$COMMIT\"" "$VALUES_FILE_PATH"
git commit -am "$APP_NAME $COMMIT"
git push origin "$DEVOPS_BRANCH"
cd -

# --- and to be sure ------------------------------------------------------------------------------
kubectl -n "$NAMESPACE" scale deployment "$APP_NAME" --replicas=0
kubectl -n "$NAMESPACE" set image "deployment/$APP_NAME" "app=${IMAGE_REPO}:${COMMIT}"
kubectl -n "$NAMESPACE" rollout status "deployment/$APP_NAME" --timeout=180s || true
say "Argo CD will deploy ${IMAGE_REPO}:${COMMIT} (replicas: ${REPLICAS})"
