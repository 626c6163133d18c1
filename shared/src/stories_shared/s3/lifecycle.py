"""A bucket's lifecycle rules: what every sweep has missed goes in days. Not how stories end, which takes seconds."""

from collections.abc import Mapping

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from stories_shared.runtime.logging import logger

log = logger(__name__)

OURS = "stories-"  # before the id of each of our rules; others are left alone


def ensure_rules(client: Minio, bucket: str, days: Mapping[str, int]) -> None:
    """Have objects below each prefix expire so many days after they were put; rules of others stay.

    A store that has no lifecycle rules, or an account that may not set them, is said so and is no failure.
    """
    ours = [
        Rule(status=ENABLED, rule_filter=Filter(prefix=prefix), rule_id=_id(prefix), expiration=Expiration(days=count))
        for prefix, count in days.items()
    ]
    try:
        standing = _rules(client, bucket)
        if {rule.rule_id: _days(rule) for rule in standing if _is_ours(rule)} == {_id(at): days[at] for at in days}:
            return
        others = [rule for rule in standing if not _is_ours(rule)]
        client.set_bucket_lifecycle(bucket, LifecycleConfig([*others, *ours]))
    except S3Error as error:
        if error.code not in {"NotImplemented", "AccessDenied", "MethodNotAllowed"}:
            raise
        log.warning("the bucket has no lifecycle rules of ours", bucket=bucket, code=error.code)


def _rules(client: Minio, bucket: str) -> list[Rule]:
    found = client.get_bucket_lifecycle(bucket)  # None where there is none
    return list(found.rules) if found else []


def _id(prefix: str) -> str:
    return OURS + prefix.strip("/")


def _is_ours(rule: Rule) -> bool:
    return bool(rule.rule_id and rule.rule_id.startswith(OURS))


def _days(rule: Rule) -> int | None:
    return rule.expiration.days if rule.expiration else None
