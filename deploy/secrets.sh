#!/bin/sh
# Creates the secrets of docker-compose.yml: .env (mode 600), which alone is edited, and .secrets/ (mode 700) with a file for
# each secret of .env, that containers read, and the key that signs tokens until you have your own issuer. Values in .env
# are kept; the files are renewed after a change in .env. It is idempotent.
set -eu
cd "${1:-$(dirname "$0")/..}"
umask 077

command -v openssl >/dev/null || { echo "missing: openssl (sudo apt-get install -y openssl)" >&2; exit 1; }

touch .env
chmod 600 .env
made='' names=''
give() { # name, value: unless it exists
    grep -Eq "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*[=:]." .env && return
    # A missing newline at the end would merge two lines.
    [ -z "$(tail -c 1 .env)" ] || echo >>.env
    printf '%s=%s\n' "$1" "$2" >>.env
    made="$made $1"
}
secret() { # name, value: what containers read from a file
    names="$names $1"
    give "$@"
}
for name in ROOT INGEST FEED ENGAGEMENT EXPIRY OPERATOR MONITOR; do
    secret "MONGO_${name}_PASSWORD" "$(openssl rand -hex 24)"
done
for name in INGEST FEED ENGAGEMENT EXPIRY OPERATOR MONITOR PRODUCER; do # of deploy/compose.sasl.yml
    secret "KAFKA_${name}_PASSWORD" "$(openssl rand -hex 24)"
done
secret MONGO_REPLICA_KEY "$(openssl rand -hex 128)"
secret S3_ACCESS_KEY "$(openssl rand -hex 8)"
secret S3_SECRET_KEY "$(openssl rand -hex 20)"
secret TICKET_KEYS "$(openssl rand -hex 2):$(openssl rand -hex 32)"
secret GRAFANA_PASSWORD "$(openssl rand -hex 12)"
# Without it Compose refuses to start: it would name a file that is missing, and not this script.
if [ $# = 0 ]; then give SECRETS_FOLDER ./.secrets; else give SECRETS_FOLDER "$PWD/.secrets"; fi

# The folder is private. Its files are readable, because the user of a container is not their owner.
mkdir -p .secrets
chmod 700 .secrets

# Writes .secrets/NAME.part for each of the names, as Compose reads it from .env. What versions of Compose read differently,
# and variables within a value, are refused.
read_secrets() {
    LC_ALL=C awk -v names="$names" '
    function refuse(what) { print name " in .env " what > "/dev/stderr"; failed = 1; exit 1 }
    function unread() {
        if (name in wanted) refuse("is not clear: put it into single quotes, or with a single quote in it into double" \
            " quotes, with a backslash before each of \" \\ $")
    }
    # What a backslash or a dollar stands for; within double quotes both can be escaped, elsewhere a dollar is doubled.
    function plain(raw, escapes,   done, at, both) {
        for (done = ""; match(raw, escapes ? "[\\\\$]" : "[$]"); raw = substr(raw, at + 2)) {
            at = RSTART; both = substr(raw, at, 2)
            if (both != "$$" && !(escapes && both ~ /^\\["\\$]/)) unread()
            done = done substr(raw, 1, at - 1) substr(both, 2)
        }
        return done raw
    }
    { text = text $0 "\n" }
    END {
        if (failed) exit 1
        for (count = split(names, list, " "); count; count--) wanted[list[count]]
        while (sub(/^[ \t\r\n\v\f]+/, "", text) || text != "") {
            if (text == "") break
            line = substr(text, 1, index(text, "\n") - 1)
            if (line !~ /^#/ && match(line, /^(export[ \t]+)?[A-Za-z0-9_.-]+[ \t]*[=:][ \t\r\v\f]*/)) {
                name = substr(line, 1, RLENGTH); sub(/^export[ \t]+/, "", name); sub(/[ \t]*[=:].*/, "", name)
                text = substr(text, RLENGTH + 1)
                quote = substr(text, 1, 1)
                if (quote == "\047") {
                    if (!(end = index(substr(text, 2), quote))) unread()
                    value = substr(text, 2, end - 1)
                    if (value ~ /\\$/) unread()
                    text = substr(text, end + 2)
                } else if (quote == "\"") {
                    if (!match(text, /^"([^"\\]|\\[^\n]|\\\n)*"/)) unread()
                    end = RLENGTH
                    value = plain(substr(text, 2, end - 2), 1)
                    text = substr(text, end + 1)
                } else {
                    value = substr(text, 1, index(text, "\n") - 1)
                    if (at = index(value, " #")) value = substr(value, 1, at - 1)
                    sub(/[ \t\r\v\f]+$/, "", value)
                    value = plain(value, 0)
                    text = substr(text, index(text, "\n"))
                }
                if (text !~ /^[ \t\r\v\f]*(#[^\n]*)?\n/) unread()
                if (name in wanted) found[name] = value
            }
            text = substr(text, index(text, "\n") + 1)
        }
        ORS = ""
        for (name in wanted) {
            if (found[name] == "") refuse("is empty")
            file = ".secrets/" name ".part"
            print found[name] > file
            close(file)
        }
    }' .env
}
read_secrets || { rm -f .secrets/*.part; exit 1; }
renewed=
for name in $names; do
    file=.secrets/$name
    chmod 444 "$file.part"
    if [ ! -e "$file" ]; then
        mv "$file.part" "$file"
        case "$made " in *" $name "* | *" .secrets/ "*) ;; *) made="$made .secrets/" ;; esac
    elif [ "$(cat "$file.part"; echo .)" = "$(cat "$file"; echo .)" ]; then
        rm -f "$file.part"
    else
        mv -f "$file.part" "$file"
        renewed="$renewed $name"
    fi
done

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
[ -z "$renewed" ] || echo "renewed:$renewed; running containers read it after: docker compose up --wait --force-recreate"
[ -n "$made$renewed" ] || echo "nothing to make: all of it is there"
[ -z "$made" ] || echo "made:$made"
