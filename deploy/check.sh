#!/usr/bin/env bash
# The image as it is deployed: built, run by Compose with two workers on a read-only root file system,
# killed and started again. Nothing that was accepted may be lost.
#
#   deploy/check.sh            with a running engine, and images named redis:8 and postgres:17
#   BASE=ubuntu:24.04 deploy/check.sh
#   KEEP=1 deploy/check.sh     leaves everything running
#   EPOCHS=300 PATIENCE=900 deploy/check.sh    shorter trainings, longer waits: on a busy machine
#
# Needs docker, docker compose (2, or 1.29), openssl and curl. CI does without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BASE=${BASE:-ubuntu:24.04}
IMAGE=parsimony
EPOCHS=${EPOCHS:-1500}
PATIENCE=${PATIENCE:-240}
WORK=$(mktemp -d)
API=http://127.0.0.1:8000
PYTHON=${PYTHON:-python3}
export POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-check-$RANDOM$RANDOM}
PARSIMONY_FIRST_KEY=pk_$(openssl rand -hex 8)_$(openssl rand -hex 32)
export PARSIMONY_FIRST_KEY
curl() { command curl --header "Authorization: Bearer $PARSIMONY_FIRST_KEY" "$@"; }
COMPOSE=(docker compose)
docker compose version >/dev/null 2>&1 || COMPOSE=(docker-compose)
COMPOSE+=(--project-name parsimony-check --file "$WORK/compose.yml")

say() { printf '→ %s\n' "$*" >&2; }
fail() { say "failed: $*"; "${COMPOSE[@]}" ps >&2 || true; "${COMPOSE[@]}" logs --tail 40 >&2 || true; exit 1; }
finish() {
  if [ "${KEEP:-0}" != 1 ]; then "${COMPOSE[@]}" down --volumes --timeout 30 >/dev/null 2>&1 || true; rm -rf "$WORK"; fi
}
trap finish EXIT

# A field of JSON on standard input: field state; field data 0 id
field() { "$PYTHON" -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]: value = value[int(key)] if isinstance(value, list) else value[key]
print(value)' "$@"; }

until_true() {  # seconds, what, command …
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || fail "$what"; sleep 0.5; done
}
answers() { curl --silent --fail --max-time 5 "$API/readyz"; }

post() {  # a training job of $1 epochs whose model is $2; its id. One name, for it stands in the file.
  curl --silent --fail-with-body --max-time 10 "$API/v1/jobs" --header 'Content-Type: application/json' --data "{
    \"dataset\": \"$DATASET\", \"name\": \"check\", \"model\": \"$2\", \"training\": {\"epochs\": $1, \"batch_size\": 8},
    \"regularization\": {\"dropout\": {\"p\": 0.2}}}" | field id
}
state() { curl --silent --fail --max-time 5 "$API/v1/jobs/$1" | field state; }
is() { [ "$(state "$1" 2>/dev/null)" = "$2" ]; }
succeeded() { until_true "$PATIENCE" "job $1 has not succeeded" is "$1" succeeded; }
version_file() { curl --silent --fail "$API/v1/models/$1/versions/1" | field sha256; }

# 1. The image.
[ -f service/web/guide/index.html ] || say "without the guide: make guide was not run"
say "building $IMAGE on $BASE"
docker build --network "${BUILD_NETWORK:-host}" --build-arg "BASE=$BASE" --tag "$IMAGE" . >"$WORK/build.log" 2>&1 ||
  { tail -40 "$WORK/build.log" >&2; exit 1; }
say "size: $(docker image inspect --format '{{.Size}}' "$IMAGE" | awk '{printf "%.2f GB", $1 / 1e9}')"
docker history --format '{{.Size}}\t{{.CreatedBy}}' "$IMAGE" | grep -v '^0B' | cut -c1-100 | head -5 >&2
say "largest packages (MB):"
docker run --rm --entrypoint sh "$IMAGE" -c 'cd /opt/parsimony/lib/python3*/site-packages && du -sm -- * | sort -rn | head -12' >&2

# 2. The stack: the repository's own file, without the GPU, and not built again.
"$PYTHON" - docker-compose.yml "$WORK/compose.yml" <<'P'
import sys
import yaml  # Debian: python3-yaml; or PYTHON=.venv/bin/python
with open(sys.argv[1], encoding="utf-8") as file:
    stack = yaml.safe_load(file)
for name in [name for name in stack if name.startswith("x-") or name == "name"]:
    del stack[name]
stack["version"] = "3.9"  # for Compose 1.29
for service in stack["services"].values():
    service.pop("build", None)
    service.pop("deploy", None)
with open(sys.argv[2], "w", encoding="utf-8") as file:
    yaml.safe_dump(stack, file)
P
say "starting PostgreSQL, Redis, the migration, the API and two workers"
"${COMPOSE[@]}" up --detach --scale worker=2 >"$WORK/up.log" 2>&1 || { cat "$WORK/up.log" >&2; fail "it does not start"; }
until_true 180 "the API does not answer" answers
api=$("${COMPOSE[@]}" ps --quiet api)
[ "$(docker inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$api")" = true ] || fail "the root file system can be written"
[ "$(docker exec "$api" id -u)" = 10001 ] || fail "it runs as another user than 10001"
# Its main process has no capability and none to come, and the engine's filter of system calls.
for fact in 'CapEff:[[:space:]]*0000000000000000' 'CapBnd:[[:space:]]*0000000000000000' 'NoNewPrivs:[[:space:]]*1' 'Seccomp:[[:space:]]*2'; do
  docker exec "$api" grep --quiet --extended-regexp "^$fact" /proc/1/status || fail "its main process: $fact does not hold"
done
if [ -f service/web/guide/index.html ]; then
  curl --silent --fail --output /dev/null "$API/guide/" || fail "the guide is not served"
fi
[ "$(docker exec "$api" sh -c 'touch /opt/parsimony/x 2>/dev/null; echo $?')" != 0 ] || fail "the root file system was written"

# 3. Upload, train, predict.
"$PYTHON" -c 'print("size,weight,kind")
for n in range(400): print(f"{n * 7 % 13},{n * 5 % 11},{chr(97 + n % 2)}")' >"$WORK/data.csv"
DATASET=$(curl --silent --fail-with-body --max-time 30 "$API/v1/datasets" --form "file=@$WORK/data.csv" --form target=kind | field id)
first=$(post 3 first)
succeeded "$first"
predict() { curl --silent --fail --max-time 30 "$API/v1/models/$1/predict" --header 'Content-Type: application/json' --data '{"instances": [[1, 2], [3, 4]]}'; }
until_true 60 "it does not predict" predict first
say "trained and predicted: $(predict first | cut -c1-120)"
hash=$(version_file first)

# 4. A worker and the API die in mid-training.
undisturbed=$(post "$EPOCHS" undisturbed)
succeeded "$undisturbed"
jobs=()
for n in 1 2 3 4; do jobs+=("$(post "$EPOCHS" "killed-$n")"); done
until_true 60 "nothing trains" is "${jobs[0]}" running
worker=$("${COMPOSE[@]}" ps --quiet worker | head -1)
say "killing worker ${worker:0:12} and the API"
docker kill "$worker" "$api" >/dev/null
docker start "$worker" "$api" >/dev/null  # killed by hand, a container is not restarted by its policy
until_true 120 "the API does not come back" answers
for job in "${jobs[@]}"; do succeeded "$job"; done
expected=$(version_file undisturbed)
for n in 1 2 3 4; do [ "$(version_file "killed-$n")" = "$expected" ] || fail "killed-$n has other weights than the undisturbed one"; done
say "four jobs succeeded after the kills, with the weights of an undisturbed one: ${expected:0:12}"

# 5. Everything is started again in mid-training, Redis with nothing kept.
last=$(post "$EPOCHS" last)
until_true 60 "it does not train" is "$last" running
say "starting everything again"
"${COMPOSE[@]}" restart --timeout 30 >/dev/null 2>&1
until_true 180 "the API does not come back" answers
succeeded "$last"
[ "$(version_file first)" = "$hash" ] || fail "the first model is another one"
[ "$(version_file last)" = "$expected" ] || fail "what was interrupted by the restart has other weights"
predict first >/dev/null || fail "it does not predict"
count=$(curl --silent --fail "$API/v1/jobs?limit=100&state=succeeded" | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)["data"]))')
[ "$count" = 7 ] || fail "7 jobs were accepted, $count succeeded"
say "nothing is lost: 7 jobs accepted, 7 succeeded"
