"""A bucket's lifecycle rules: a backstop that deletes, within days, what every other clean-up has missed."""

from collections.abc import Iterable, Mapping

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from stories_shared.runtime.logging import logger
from stories_shared.s3.executor import UNSUPPORTED

log = logger(__name__)

OURS = "stories-"  # prefix of the ids of our rules


def ensure_rules(client: Minio, bucket: str, days: Mapping[str, int]) -> None:
    """Let objects below each prefix expire so many days after their upload; other rules stay.

    If the store has no lifecycle rules, or the account may not set them, this is logged and no error.
    """
    ours = [
        Rule(
            status=ENABLED,
            rule_filter=Filter(prefix=at),
            rule_id=OURS + at.strip("/"),
            expiration=Expiration(days=count),
        )
        for at, count in days.items()
    ]
    try:
        found = client.get_bucket_lifecycle(bucket)  # None where there is none
        current = list(found.rules) if found else []
        others = [rule for rule in current if not (rule.rule_id or "").startswith(OURS)]
        if _days_by_id(rule for rule in current if rule not in others) != _days_by_id(ours):
            client.set_bucket_lifecycle(bucket, LifecycleConfig([*others, *ours]))
    except S3Error as error:
        if error.code not in UNSUPPORTED:
            raise
        log.warning("lifecycle_rules_not_supported", bucket=bucket, code=error.code)


def _days_by_id(rules: Iterable[Rule]) -> dict[str | None, int | None]:
    return {rule.rule_id: rule.expiration.days if rule.expiration else None for rule in rules}
