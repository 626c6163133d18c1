"""Settings fail with one line that names what is wrong, and nothing secret is shown."""

from datetime import timedelta

import pytest
from stories_shared.runtime.settings import ObjectStoreSettings, Settings, duration, duration_text, load

GOOD = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "MONGO_URL": "mongodb://127.0.0.1/?replicaSet=stories",
    "MONGO_DATABASE": "stories_feed",
    "AUTH_JWKS": "jwks.json",
    "AUTH_ISSUER": "https://issuer.example",
    "AUTH_AUDIENCE": "stories",
    "TICKET_KEYS": "b:1234567890123456,a:abcdefghijklmnop",
}


@pytest.fixture
def environment(monkeypatch):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_good_settings_are_read(environment):
    environment.setenv("STORY_LIFETIMES", "24h, 20s")
    settings = load(Settings)
    assert settings.story_lifetimes == (timedelta(hours=24), timedelta(seconds=20))
    assert settings.ticket_secrets[0] == ("b", b"1234567890123456")
    assert "1234567890123456" not in repr(settings)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_missing_setting_stops_the_start_and_is_named(environment, capsys, name):
    environment.delenv(name)
    with pytest.raises(SystemExit) as stop:
        load(Settings)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"{name}: is missing\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TICKET_KEYS", "a:short"),
        ("STORY_LIFETIMES", "a while"),
        ("STORY_LIFETIMES", "0s"),
        ("PORT", "high"),
        ("MONGO_DRIVER", "mysql"),
        ("MONGO_DATABASE", "a/b"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_wrong_setting_stops_the_start_and_is_named(environment, capsys, name, value):
    environment.setenv(name, value)
    with pytest.raises(SystemExit):
        load(Settings)
    line = capsys.readouterr().err
    assert line.startswith(f"{name}: ")
    assert line.count("\n") == 1
    assert value not in line or name != "TICKET_KEYS"


def test_any_setting_may_come_from_a_file(environment, tmp_path):
    secret = tmp_path / "mongo"
    secret.write_text("mongodb://other/\n")
    environment.delenv("MONGO_URL")
    environment.setenv("MONGO_URL_FILE", str(secret))
    assert load(Settings).mongo_url.get_secret_value() == "mongodb://other/"


def test_missing_settings_file_is_named(environment, capsys):
    environment.delenv("MONGO_URL")
    environment.setenv("MONGO_URL_FILE", "nowhere/at/all")
    with pytest.raises(SystemExit):
        load(Settings)
    assert capsys.readouterr().err.startswith("MONGO_URL_FILE: ")


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("15m", 900), ("20s", 20), ("500ms", 0.5), ("7", 7), ("1.5h", 5400)]
)
def test_durations_are_parsed_and_formatted(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)
    assert duration(duration_text(duration(text))) == duration(text)


class StoreSettings(ObjectStoreSettings, Settings):
    """As of a service with objects."""


STORE = {"S3_ENDPOINT": "s3:9000", "S3_ACCESS_KEY": "account", "S3_SECRET_KEY": "secret"}


def refused(capsys, kind=Settings) -> str:
    with pytest.raises(SystemExit):
        load(kind)
    return capsys.readouterr().err


@pytest.mark.parametrize("password", ["p+q %/@:$#?x", "a/b", "a@b", "a:b", "half%4", "a b?c"])
def test_an_unencoded_password_stops_the_start_and_is_not_shown(environment, capsys, password):
    environment.setenv("MONGO_URL", f"mongodb://feed:{password}@mongodb:27017/?replicaSet=rs0")
    line = refused(capsys)
    assert line.startswith("MONGO_URL: expected mongodb://host:port,… with user and password percent-encoded")
    assert password not in line
    assert not any(part in line for part in password.replace("@", "/").split("/") if len(part) > 1)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://feed:p%2Bq%20%25%2F%40%3A%24%23%3Fx@mongodb:27017/?replicaSet=rs0",
        "mongodb://a:1,b:2,[::1]:3/?replicaSet=rs0&authSource=admin",
        "mongodb+srv://feed:a+b$c@cluster.example/",
        "mongodb://user@host",
    ],
)
def test_encoded_passwords_and_several_hosts_are_accepted(environment, url):
    environment.setenv("MONGO_URL", url)
    assert load(Settings).mongo_url.get_secret_value() == url


@pytest.mark.parametrize("name", ["S3_ACCESS_KEY", "S3_SECRET_KEY"])
def test_static_credentials_are_needed_and_automatic_ones_are_not(environment, capsys, name):
    for each, value in STORE.items():
        environment.setenv(each, value)
    environment.delenv(name)
    assert refused(capsys, StoreSettings) == f"{name}: is missing\n"
    environment.setenv("S3_CREDENTIALS", "auto")
    assert load(StoreSettings).s3_region == "us-east-1"


def test_a_region_that_is_not_the_endpoint_s_stops_the_start(environment, capsys):
    for name, value in (STORE | {"S3_ENDPOINT": "https://s3.eu-central-1.amazonaws.com"}).items():
        environment.setenv(name, value)
    assert refused(capsys, StoreSettings).startswith("S3_REGION: us-east-1 is not the region of S3_ENDPOINT")
    environment.setenv("S3_REGION", "eu-central-1")
    assert load(StoreSettings).s3_region == "eu-central-1"


def test_a_bundle_without_certificates_stops_the_start(environment, capsys, tmp_path):
    environment.setenv("CA_BUNDLE", str(tmp_path / "none.pem"))
    assert refused(capsys).startswith("CA_BUNDLE: ")
    (tmp_path / "empty.pem").write_text("no certificate")
    environment.setenv("CA_BUNDLE", str(tmp_path / "empty.pem"))
    assert refused(capsys).startswith("CA_BUNDLE: ")
