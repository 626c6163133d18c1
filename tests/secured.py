"""Users of Kafka and MongoDB, from the scripts by which compose makes them, for servers that ask for users and TLS."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from pymongo import MongoClient
from stories_embedded.mongodb import SecuredMongod
from stories_embedded.paths import CHECKOUT, NotInstalled
from stories_shared.testing.authority import Authority

from tools.codegen.strimzi import Grant

COMPOSE = CHECKOUT / "deploy" / "compose"
USERS = ("ingest", "feed", "engagement", "expiry", "operator", "monitor", "producer")
PASSWORDS = {user: f"password-of_{user}" for user in (*USERS, "root")}
# The numbers of Kafka's protocol.
RESOURCES = {"topic": 2, "group": 3}
OPERATIONS = {"All": 2, "Read": 3, "Write": 4, "Describe": 8}
LITERAL, PREFIXED, ALLOW = 3, 4, 3
NO_NODE = "node is missing, which reads mongodb-init.js: apt-get install nodejs"
# The part of mongosh that mongodb-init.js uses: it prints each user instead of making it.
MONGOSH = """
const admin = {
  adminCommand: () => ({}), hello: () => ({ isWritablePrimary: true }), getUser: () => null,
  createUser: (user) => console.log(JSON.stringify(user)),
};
const script = require("fs").readFileSync(process.argv[1], "utf8");
require("vm").runInNewContext(script, { process, encodeURIComponent, connect: () => admin, print: () => {} });
"""


def make_kafka_users(admin: str) -> None:
    """Run the script of compose, with Kafka's own tool from the stack's jars, on a listener that asks for nothing."""
    passwords = {f"KAFKA_{user.upper()}_PASSWORD": PASSWORDS[user] for user in USERS}
    given = {"KAFKA_CONFIGS": f"{sys.executable} -m stories_embedded.kafka_tools kafka-configs", "KAFKA_ADMIN": admin}
    run = subprocess.run(
        ["sh", COMPOSE / "kafka-users.sh"],
        check=False, capture_output=True, text=True, timeout=240, env=os.environ | passwords | given,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


async def allow(admin: AIOKafkaAdminClient, user: str, grant: Grant, pattern: int = LITERAL) -> None:
    """Add the ACLs of a grant."""
    for operation in grant.operations:
        answer = await admin._send_request(
            CreateAclsRequest(
                RESOURCES[grant.kind], grant.name, pattern, f"User:{user}", "*", OPERATIONS[operation], ALLOW
            )
        )
        assert [code for code, _ in answer.creation_responses] == [0], answer


def tls_settings(authority: Path) -> dict[str, str]:
    """Settings of a client of Kafka that proves itself by SCRAM and trusts this authority; the user is missing."""
    return {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SSL_CAFILE": str(authority),
    }


def secured_mongod(folder: Path, authority: Authority) -> SecuredMongod:
    """What a mongod has whose certificate this authority has signed, and a key for its replica set."""
    key = folder / "replica-set.key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    return SecuredMongod(authority.server_pem, authority.pem, key)


def mongo_users() -> list[dict[str, Any]]:
    """The users that mongodb-init.js of compose makes: `user`, `pwd` and `roles` of each. Raises NotInstalled."""
    node = shutil.which("node")
    if node is None:
        raise NotInstalled(NO_NODE)
    passwords = {f"MONGO_{user.upper()}_PASSWORD": password for user, password in PASSWORDS.items()}
    run = subprocess.run(
        [node, "-e", MONGOSH, COMPOSE / "mongodb-init.js"],
        check=True, capture_output=True, text=True, timeout=60, env=os.environ | passwords,
    )  # fmt: skip
    return [json.loads(line) for line in run.stdout.splitlines()]


def make_mongo_users(url: str, authority: Path) -> None:
    """Make root, as the image of MongoDB does, and as root the users of compose."""
    with MongoClient[dict[str, Any]](url, tlsCAFile=str(authority), serverSelectionTimeoutMS=60_000) as nobody:
        nobody.admin.command("createUser", "root", pwd=PASSWORDS["root"], roles=["root"])
    with MongoClient[dict[str, Any]](mongo_url(url, "root", authority)) as root:
        for made in mongo_users():
            root.admin.command("createUser", made["user"], pwd=made["pwd"], roles=made["roles"])


def mongo_url(url: str, user: str, authority: Path) -> str:
    """The URL of a replica set for a client that has nothing else."""
    return f"{url}&authSource=admin&tlsCAFile={authority}".replace("//", f"//{user}:{PASSWORDS[user]}@", 1)
