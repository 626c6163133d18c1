#!/bin/sh
# Prints the secrets that the charts refer to, made of .env and .secrets/ (`make secrets`), for a trial:
#
#   sh deploy/helm/secrets.sh | kubectl -n stories apply -f -
#
# An argument names another folder with .env and .secrets/.
set -eu
cd "${1:-$(dirname "$0")/../..}"
[ -s .env ] && [ -s .secrets/jwks.json ] || { echo "no .env or .secrets/ in $PWD: make secrets" >&2; exit 1; }

value() { # name: its value in .env, without the quotes that Compose takes off
    found=$(sed -n "s/^$1=//p" .env | tail -n 1 | sed "s/^'\(.*\)'\$/\1/")
    [ -n "$found" ] || { echo "$1 is not in .env: make secrets" >&2; exit 1; }
    printf %s "$found"
}
percent() { # as a part of a URL: every byte encoded
    od -An -v -tx1 | tr -d '\n' | sed 's/ \(..\)/%\1/g'
}
head() { # kind, name
    printf -- '---\napiVersion: v1\nkind: %s\nmetadata: {name: %s}\n' "$1" "$2"
}
entry() { # key, value
    printf '  %s: %s\n' "$1" "$(printf %s "$2" | base64 | tr -d '\n')"
}

for service in ingest feed engagement expiry; do
    password=$(value "MONGO_$(echo $service | tr '[:lower:]' '[:upper:]')_PASSWORD")
    head Secret "stories-mongodb-$service"
    echo 'data:'
    entry url "mongodb://$service:$(printf %s "$password" | percent)@mongodb:27017/?replicaSet=rs0&authSource=admin"
done
access=$(value S3_ACCESS_KEY) secret=$(value S3_SECRET_KEY) tickets=$(value TICKET_KEYS)
head Secret stories-s3
echo 'data:'
entry accessKey "$access"
entry secretKey "$secret"
head Secret stories-tickets
echo 'data:'
entry keys "$tickets"
head Secret stories-stores
echo 'data:'
for name in MONGO_ROOT_PASSWORD MONGO_INGEST_PASSWORD MONGO_FEED_PASSWORD MONGO_ENGAGEMENT_PASSWORD MONGO_EXPIRY_PASSWORD \
    MONGO_OPERATOR_PASSWORD MONGO_MONITOR_PASSWORD MONGO_REPLICA_KEY S3_ACCESS_KEY S3_SECRET_KEY; do
    text=$(value $name)
    entry $name "$text"
done
head ConfigMap stories-jwks
echo 'binaryData:'
entry jwks.json "$(cat .secrets/jwks.json)"
