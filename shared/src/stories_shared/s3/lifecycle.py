"""A bucket's lifecycle rules: a backstop that deletes, within days, what every other clean-up has missed."""

from collections.abc import Mapping

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
        Rule(status=ENABLED, rule_filter=Filter(prefix=prefix), rule_id=_id(prefix), expiration=Expiration(days=count))
        for prefix, count in days.items()
    ]
    try:
        current = _rules(client, bucket)
        if {rule.rule_id: _days(rule) for rule in current if _is_ours(rule)} == {_id(at): days[at] for at in days}:
            return
        others = [rule for rule in current if not _is_ours(rule)]
        client.set_bucket_lifecycle(bucket, LifecycleConfig([*others, *ours]))
    except S3Error as error:
        if error.code not in UNSUPPORTED:
            raise
        log.warning("lifecycle_rules_not_supported", bucket=bucket, code=error.code)


def _rules(client: Minio, bucket: str) -> list[Rule]:
    found = client.get_bucket_lifecycle(bucket)  # None where there is none
    return list(found.rules) if found else []


def _id(prefix: str) -> str:
    return OURS + prefix.strip("/")


def _is_ours(rule: Rule) -> bool:
    return bool(rule.rule_id and rule.rule_id.startswith(OURS))


def _days(rule: Rule) -> int | None:
    return rule.expiration.days if rule.expiration else None
