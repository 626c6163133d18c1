#!/bin/sh
# Prints the secrets that the charts refer to, made of the files in .secrets/ (`make secrets`), for a trial:
#
#   sh deploy/helm/secrets.sh | kubectl -n stories apply -f -
#
# An argument names another folder with .secrets/.
set -eu
cd "${1:-$(dirname "$0")/../..}/.secrets" || { echo "run make secrets first" >&2; exit 1; }

value() { # name
    [ -s "$1" ] || { echo "$1 is not in $PWD: run make secrets first" >&2; exit 1; }
    cat "$1"
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
access=$(value S3_ACCESS_KEY)
secret=$(value S3_SECRET_KEY)
tickets=$(value TICKET_KEYS)
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
jwks=$(value jwks.json)
entry jwks.json "$jwks"
