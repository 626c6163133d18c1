#!/bin/sh
# Creates the secrets of docker-compose.yml: .env (mode 600), and .secrets/ (mode 700) with the key that signs tokens until
# you have your own issuer. Existing values are kept; it is idempotent.
set -eu
cd "${1:-$(dirname "$0")/..}"
umask 077

command -v openssl >/dev/null || { echo "missing: openssl (sudo apt-get install -y openssl)" >&2; exit 1; }

touch .env
chmod 600 .env
made=
give() { # name, value: unless it exists
    grep -q "^$1=." .env && return
    # A missing newline at the end would merge two lines.
    [ -z "$(tail -c 1 .env)" ] || echo >>.env
    printf '%s=%s\n' "$1" "$2" >>.env
    made="$made $1"
}
for name in ROOT INGEST FEED ENGAGEMENT EXPIRY OPERATOR MONITOR; do
    give "MONGO_${name}_PASSWORD" "$(openssl rand -hex 24)"
done
for name in INGEST FEED ENGAGEMENT EXPIRY OPERATOR MONITOR PRODUCER; do # of deploy/compose.sasl.yml
    give "KAFKA_${name}_PASSWORD" "$(openssl rand -hex 24)"
done
give MONGO_REPLICA_KEY "$(openssl rand -hex 128)"
give S3_ACCESS_KEY "$(openssl rand -hex 8)"
give S3_SECRET_KEY "$(openssl rand -hex 20)"
give TICKET_KEYS "$(openssl rand -hex 2):$(openssl rand -hex 32)"
give GRAFANA_PASSWORD "$(openssl rand -hex 12)"

# The folder is private. Its files are readable, because the user of a container is not their owner.
mkdir -p .secrets
chmod 700 .secrets
key=.secrets/signing-key.pem jwks=.secrets/jwks.json
if [ ! -s "$key" ]; then
    rm -f "$jwks"
    openssl genpkey -algorithm ed25519 -out "$key.part"
    mv "$key.part" "$key"
    made="$made $key"
fi
if [ ! -s "$jwks" ]; then
    x=$(openssl pkey -in "$key" -pubout -outform DER | tail -c 32 | openssl base64 -A | tr '+/' '-_' | tr -d '=')
    kid=$(printf %s "$x" | openssl dgst -sha256 -r | cut -c1-8)
    printf '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "%s", "kid": "%s", "alg": "EdDSA", "use": "sig"}]}\n' \
        "$x" "$kid" >"$jwks.part"
    mv "$jwks.part" "$jwks"
    made="$made $jwks"
fi
chmod 444 "$key" "$jwks"
if [ -n "$made" ]; then echo "made:$made"; else echo "nothing to make: all of it is there"; fi
