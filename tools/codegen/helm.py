"""The parts of the charts that follow from the code: topics of each service, and the schema of every chart's values.

`deploy/helm/library/templates/_facts.tpl` and `deploy/helm/<chart>/values.schema.json`.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from stories_embedded.services import settings_class
from stories_shared.events.cloudevents import SERVICES
from stories_shared.kafka.topics import Topics
from stories_shared.runtime.settings import ObjectStoreSettings, Settings

Schema = dict[str, Any]

# Settings with their own value in the chart, which `settings` may not repeat.
SET_BY_CHARTS = frozenset(
    {
        *("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_IDEMPOTENT", "KAFKA_SECURITY_PROTOCOL", "KAFKA_TOPIC_PREFIX"),
        *("KAFKA_SASL_MECHANISM", "KAFKA_SASL_PASSWORD", "KAFKA_SASL_USERNAME"),
        *("KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE"),
        *("TOPICS", "TOPIC_PARTITIONS", "TOPIC_REPLICATION", "MONGO_URL"),
        *("S3_ACCESS_KEY", "S3_BUCKET", "S3_ENDPOINT", "S3_PUBLIC_ENDPOINT", "S3_SECRET_KEY", "S3_SECURE"),
        *("S3_CREDENTIALS", "S3_REGION", "CA_BUNDLE", "MONGO_USERNAME", "MONGO_PASSWORD"),
        *("AUTH_AUDIENCE", "AUTH_ISSUER", "AUTH_JWKS", "AUTH_USER_CLAIM", "TICKET_KEYS"),
        *("CORS_ORIGINS", "LOG_LEVEL", "PORT", "PUBLIC_URL", "ROLE", "ROLLOUT_FILE", "STORY_LIFETIMES"),
    }
)
DURATION = r"^\d+(\.\d+)?(ms|s|m|h|d)?$"

TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": NAME}
WORDS: Schema = {"type": "object", "additionalProperties": TEXT}
ANYTHING: Schema = {"type": "object"}
LIST: Schema = {"type": "array", "items": ANYTHING}
SIZE: Schema = {"type": "string", "pattern": r"^[0-9]+(Ki|Mi|Gi|Ti)$"}


def count(least: int = 0, most: int | None = None) -> Schema:
    """A whole number within bounds."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def closed(**properties: Schema) -> Schema:
    """An object with these properties only, so that misspelt ones are rejected."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def one_of(*words: str) -> Schema:
    """One of a few strings."""
    return {"enum": list(words)}


KAFKA = closed(
    bootstrapServers=TEXT,
    topicPrefix={"type": "string", "pattern": "^[A-Za-z0-9._-]{0,100}$"},
    securityProtocol=one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    saslMechanism=one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    idempotent=FLAG,
    username=TEXT,
    credentials=closed(secret=TEXT, usernameKey=NAME, passwordKey=NAME),
    ca=closed(secret=TEXT, key=NAME),
    certificate=closed(secret=TEXT, certificateKey=NAME, keyKey=NAME),
)
MONGO = closed(secret=NAME, key=NAME, port=count(1, 65535))
S3 = closed(
    endpoint=TEXT,
    publicEndpoint=TEXT,
    region=NAME,
    bucket=NAME,
    secure=FLAG,
    credentials=one_of("static", "auto"),
    secret=NAME,
    accessKeyKey=NAME,
    secretKeyKey=NAME,
)
GLOBAL = closed(
    image=closed(registry=TEXT, tag=TEXT, pullPolicy=one_of("Always", "IfNotPresent", "Never"), pullSecrets=TEXTS),
    kafka=KAFKA,
    topics=closed(mode=one_of("job", "external"), partitions=count(1, 1000), replication=count(1, 7), kafka=KAFKA),
    mongo=MONGO,
    s3=S3,
    auth=closed(jwks=TEXT, jwksConfigMap=closed(name=TEXT, key=NAME), issuer=TEXT, audience=TEXT, userClaim=NAME),
    tickets=closed(secret=NAME, key=NAME),
    caBundle=closed(configMap=TEXT, key=NAME),
    rollout=ANYTHING,
    publicUrl={"type": "string", "pattern": "^(https?://.*)?$"},
    storyLifetimes={"type": "array", "items": {"type": "string", "pattern": DURATION}, "minItems": 1, "maxItems": 20},
    corsOrigins=TEXTS,
    logLevel=one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    monitoring=closed(
        podMonitor=FLAG,
        interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
        runbooks={"type": "string", "pattern": "^https?://"},
        labels=WORDS,
        **{"from": LIST},
    ),
)
PLACEMENT = {
    "podAnnotations": WORDS,
    "podLabels": WORDS,
    "topologySpreadConstraints": LIST,
    "extraEnv": LIST,
    "extraVolumes": LIST,
    "extraVolumeMounts": LIST,
    "priorityClassName": TEXT,
    "nodeSelector": WORDS,
    "tolerations": LIST,
    "affinity": ANYTHING,
}
RESOURCES = closed(requests=ANYTHING, limits=ANYTHING)
BUDGET = closed(enabled=FLAG, maxUnavailable={"type": ["integer", "string"], "minimum": 1})
SCALING = {"enabled": FLAG, "minReplicas": count(1), "maxReplicas": count(1, 1000), "cpuPercent": count(1, 1000)}
# The grace period must be longer than the 5 s of preStop and the 10 s of draining.
WORKLOAD = {
    "replicas": count(1, 1000),
    "resources": RESOURCES,
    "scratch": SIZE,
    "terminationGracePeriodSeconds": count(16),
    "podDisruptionBudget": BUDGET,
    **PLACEMENT,
}
IMAGE = closed(
    registry=TEXT,
    repository=NAME,
    tag={"type": "string", "not": {"const": "latest"}},
    digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
)
ACCOUNT = closed(create=FLAG, name=TEXT, annotations=WORDS)
# Values that Helm adds to a subchart.
OF_HELM = {"enabled": FLAG, "library": ANYTHING, "content": ANYTHING, "global": GLOBAL}


def files(helm: Path) -> dict[Path, str]:
    """The text of every generated file by path."""
    made = {helm / "library" / "templates" / "_facts.tpl": facts()}
    for chart, schema in schemas().items():
        made[helm / chart / "values.schema.json"] = json.dumps(schema, indent=1) + "\n"
    return made


def schemas() -> dict[str, Schema]:
    """The schema of each chart's values."""
    return {
        **{service: titled(service, of_service(service)) for service in SERVICES},
        "gateway": titled("gateway", of_gateway()),
        "monitoring": titled(
            "monitoring",
            closed(rules=FLAG, dashboards=closed(enabled=FLAG, labels=WORDS, annotations=WORDS), **OF_HELM),
        ),
        "stores": titled("stores", of_stores()),
        "stories": titled(
            "stories", closed(**dict.fromkeys((*SERVICES, "gateway", "monitoring", "stores"), ANYTHING), **OF_HELM)
        ),
    }


def titled(chart: str, schema: Schema) -> Schema:
    """A schema with title and `$schema`."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"Values of the chart {chart}", **schema}


def of_service(service: str) -> Schema:
    """The values of a service."""
    kind = settings_class(service)
    own: dict[str, Schema] = {
        "image": IMAGE,
        "settings": closed(**{name: typed(field) for name, field in free_settings(kind).items()}),
        "autoscaling": closed(**SCALING, keda=closed(enabled=FLAG, lagThreshold=count(1))),
        "networkPolicy": closed(enabled=FLAG, to=LIST, egress=LIST, **{"from": LIST}),
        "serviceAccount": ACCOUNT,
        "kafka": KAFKA,
        "mongo": MONGO,
    }
    if issubclass(kind, ObjectStoreSettings):
        own["s3"] = S3
    if service == "ingest":
        own["worker"] = closed(enabled=FLAG, autoscaling=closed(**SCALING), **WORKLOAD)
    return closed(**own, **WORKLOAD, **OF_HELM)


def of_gateway() -> Schema:
    """The values of the gateway."""
    return closed(
        image=IMAGE,
        upstreams=closed(**dict.fromkeys(SERVICES, TEXT)),
        webClient=FLAG,
        mediaOrigin=TEXT,
        shareAppUrl={"type": "string", "pattern": r"^(.*\{id\}.*)?$"},
        service=closed(type=one_of("ClusterIP", "NodePort", "LoadBalancer"), port=count(1, 65535), annotations=WORDS),
        ingress=closed(enabled=FLAG, className=TEXT, annotations=WORDS, hosts=TEXTS, tls=LIST),
        httpRoute=closed(enabled=FLAG, parentRefs=LIST, hostnames=TEXTS, annotations=WORDS),
        autoscaling=closed(**SCALING),
        networkPolicy=closed(enabled=FLAG, egress=LIST, **{"from": LIST}),
        serviceAccount=ACCOUNT,
        **WORKLOAD,
        **OF_HELM,
    )


def of_stores() -> Schema:
    """The values of the stores for a trial."""
    store = closed(image=NAME, storage=SIZE)
    return closed(
        secret=NAME, kafka=store, mongodb=store, s3=store, storageClassName=TEXT, serviceAccount=ACCOUNT, **OF_HELM
    )


def free_settings(kind: type[Settings]) -> Mapping[str, FieldInfo]:
    """The settings allowed under `settings`: all without their own value in the chart."""
    names = {name.upper(): field for name, field in kind.model_fields.items()}
    return {name: field for name, field in sorted(names.items()) if name not in SET_BY_CHARTS}


def typed(field: FieldInfo) -> Schema:
    """A setting in values: numbers and booleans with their type, all others as strings."""
    default = None if field.default is PydanticUndefined else field.default
    bounds = {
        name: bound
        for part in field.metadata
        for name in ("ge", "le")
        if (bound := getattr(part, name, None)) is not None
    }
    if isinstance(default, bool):
        return {"type": ["boolean", "string"]}
    if isinstance(default, timedelta):
        return {"type": "string", "pattern": DURATION}
    if isinstance(default, int):
        return count(bounds.get("ge", 0), bounds.get("le"))
    return NAME


def facts() -> str:
    """The named template with the properties of each service."""
    topics = Topics.of([timedelta(hours=24)])
    known = {
        service: {
            "objects": issubclass(kind, ObjectStoreSettings),
            "rollout": "rollout_file" in kind.model_fields,
            "hears": [topic.name for topic in topics.values() if service in topic.readers],
        }
        for service in SERVICES
        for kind in [settings_class(service)]
    }
    shapes = {topic.name: topic.config(replication=3) for topic in topics.values()}
    return FACTS.format(facts=json.dumps(known), shapes=json.dumps(shapes))


FACTS = """\
{{{{/* Made from the code by `make docs`; a test compares. */}}}}

{{{{/* What the service of this chart is: whether it has objects, reads the rollout policy, and what it consumes. */}}}}
{{{{- define "stories.facts" -}}}}
{{{{- get (fromJson `{facts}`) .Chart.Name | toJson -}}}}
{{{{- end -}}}}

{{{{/* All topics: when they change, the Job that makes them is another one. */}}}}
{{{{- define "stories.topics" -}}}}
{shapes}
{{{{- end -}}}}
"""
