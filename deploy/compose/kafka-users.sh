#!/bin/sh
# Run by deploy/compose.sasl.yml, each time compose comes up: a user of Kafka for each service, for the CLI (operator), for
# the exporter (monitor) and for producers of your own. Repeating it changes nothing but passwords that changed in .env.
set -eu
for user in ingest feed engagement expiry operator monitor producer; do
    name=KAFKA_$(echo "$user" | tr '[:lower:]' '[:upper:]')_PASSWORD
    eval "password=\${$name:?run make secrets first}"
    ${KAFKA_CONFIGS:-/opt/kafka/bin/kafka-configs.sh} --bootstrap-server "${KAFKA_ADMIN:-127.0.0.1:9095}" --alter \
        --entity-type users --entity-name "$user" --add-config "SCRAM-SHA-512=[iterations=4096,password=$password]"
done
