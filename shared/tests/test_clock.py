"""Times as they are written and counted."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from stories_shared.clock import epoch_ms, from_epoch_ms, rfc3339

zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
times = st.datetimes(datetime(2000, 1, 2), datetime(8999, 1, 1), timezones=zones)  # noqa: DTZ001


@given(times)
def test_epoch_milliseconds_round_trip(at: datetime) -> None:
    back = from_epoch_ms(epoch_ms(at))
    assert back == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert back.tzinfo is UTC


@given(times)
def test_times_are_written_in_utc_with_three_digits(at: datetime) -> None:
    assert rfc3339(at) == at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
