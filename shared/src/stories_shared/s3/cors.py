"""A bucket's CORS rules: which browsers may upload forms, and which response headers they may read."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from minio import Minio
from minio.error import S3Error
from minio.helpers import md5sum_hash

from stories_shared.runtime.logging import logger
from stories_shared.s3.executor import UNSUPPORTED

log = logger(__name__)

OURS = "stories"  # the id of our rule
EXPOSED = ("ETag", "Content-Range", "Accept-Ranges", "Content-Length", "Last-Modified")


def ensure_cors(client: Minio, bucket: str, origins: Sequence[str]) -> None:
    """Let browsers of these origins read and upload. Without origins, or with rules of others, nothing is changed.

    If the store has no CORS rules per bucket (MinIO sets them for the server), or the account may not set them, this is
    logged and no error.
    """
    if not origins:
        return
    try:
        if ids := [rule_id for rule_id in rule_ids(client, bucket) if rule_id != OURS]:
            log.warning("cors_rules_of_others", bucket=bucket, rules=len(ids))
            return
        body = rules(origins).encode()
        client._execute(  # noqa: SLF001  (the SDK has no call for it)
            "PUT", bucket, body=body, headers={"Content-MD5": str(md5sum_hash(body))}, query_params={"cors": ""}
        )
    except S3Error as error:
        if error.code not in UNSUPPORTED:
            raise
        log.warning("cors_rules_not_supported", bucket=bucket, code=error.code)


def rule_ids(client: Minio, bucket: str) -> list[str]:
    """The ids of the bucket's rules; "" for a rule without one."""
    try:
        answer = client._execute("GET", bucket, query_params={"cors": ""})  # noqa: SLF001
    except S3Error as error:
        if error.code == "NoSuchCORSConfiguration":
            return []
        raise
    found = ET.fromstring(answer.data)  # noqa: S314  (of our own store)
    return [rule.findtext("{*}ID") or "" for rule in found.iter() if rule.tag.endswith("CORSRule")]


def rules(origins: Sequence[str]) -> str:
    """Our rule as XML."""
    allowed = "".join(f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in origins)
    methods = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in ("GET", "HEAD", "POST"))
    exposed = "".join(f"<ExposeHeader>{name}</ExposeHeader>" for name in EXPOSED)
    rule = (
        f"<ID>{OURS}</ID>{allowed}{methods}<AllowedHeader>*</AllowedHeader>{exposed}<MaxAgeSeconds>600</MaxAgeSeconds>"
    )
    return f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>"
