"""The benchmarks themselves: the report, the parser of wrk, and one figure on real servers."""

import json
from typing import Any

import pytest
from stories_embedded.testing import Servers

from . import report
from .bench import Bench
from .client import UNIQUE, Client
from .load import LoadFailed, sample_of_wrk
from .peers import CONSTANT, PARSER
from .registry import load_figures
from .results import QUICK, SMOKE, Bound, Result, Sample, compare, percentiles

WRK = """Running 1s test
  Latency Distribution
     50%   1.50ms
     99%    2.00ms
  1000 requests in 1.00s, 1.00MB read
Requests/sec:    998.50
"""


def test_wrk_output_becomes_a_sample() -> None:
    assert sample_of_wrk(WRK, 0.5) == Sample(998.5, 500.0, 1.5, 2.0)


def test_wrk_output_with_errors_is_refused() -> None:
    with pytest.raises(LoadFailed):
        sample_of_wrk(WRK + "  Non-2xx or 3xx responses: 3", 0.5)


def test_unique_numbers_keep_the_length_of_a_request() -> None:
    client = Client({"requests": ["QEBAQEBAQEBAQEBAQEBAQC1AQEBAQEBAQEBAQEBAQEBA"]})
    first, second = client.next_request(), client.next_request()
    assert len(first) == len(UNIQUE * 2) + 1
    assert len({*first.split(b"-"), *second.split(b"-")}) == 4


async def test_result_is_the_median_beside_the_limit() -> None:
    rates = iter([9.0, 1.0])

    async def measured() -> Sample:
        return Sample(next(rates), 20.0)

    async def limit() -> Sample:
        return Sample(4.0, 10.0)

    result = await compare("x", "x/s", measured, SMOKE, peer="bare", limit=limit)
    assert (result.ratio, result.cpu_ratio, result.rates) == (0.25, 0.5, ((1.0, 4.0),))


def test_result_is_met_if_the_ratio_and_every_bound_is_kept() -> None:
    result = Result("x", "x/s", Sample(3.0), "bare", Sample(10.0), at_least=0.25)
    slow, memory = Bound("p99 ms", 151, 150), Bound("MB", 100, 110)
    assert (Result("x", "x/s", Sample(1.0)).met, result.met, result.within(memory).met) == (None, True, True)
    assert not result.within(memory, slow).met
    assert "p99 ms 151 (at most 150, not met)" in report.table([result.within(memory, slow)])
    assert not Bound("views/s", 9, 10, least=True).met


async def test_result_says_that_it_has_fewer_rounds_than_planned() -> None:
    async def measured() -> Sample:
        return Sample(1.0, p99_ms=2.0)

    result = await compare("x", "x/s", measured, QUICK, rounds=2, warm_up=False, note="slow")
    assert (result.note, len(result.rates), result.measured) == ("slow; 2 rounds", 2, Sample(1.0, None, None, 2.0))


def test_percentiles_are_milliseconds() -> None:
    assert percentiles([n / 1000 for n in range(1, 101)]) == (50.5, 100.0)


def test_bare_limits_are_applications_that_import() -> None:
    for source in (CONSTANT.format(file=__file__), PARSER):
        bare: dict[str, Any] = {}
        exec(source, bare)  # noqa: S102
        assert callable(bare["app"])


def test_report_shows_every_result_in_table_json_and_plot() -> None:
    result = Result("tray-200", "requests/s", Sample(1_000, 300), "bare", Sample(4_000, 30), 0.16)
    assert "tray-200" in report.table([result])
    assert "0.250" in report.table([result])
    assert json.loads(report.as_json([result], SMOKE, {}))["results"][0]["ratio"] == 0.25
    assert report.chart("a tray", [result]).count("<rect") == 3


async def test_story_figure_measures_a_running_feed(servers: Servers) -> None:
    bench = Bench(servers, SMOKE)
    with bench.stack:
        results = await load_figures()["story"].run(bench)
    assert results[0].measured.rate > 0
    assert 0 < (results[0].ratio or 0) < 1


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", ["erasure", "expiry", "insights", "live", "notifications", "sweeps", "visible", "webhooks"]
)
async def test_figure_measures_something_of_running_services(servers: Servers, name: str) -> None:
    bench = Bench(servers, SMOKE)
    with bench.stack:
        results = await load_figures()[name].run(bench)
    assert all(result.measured.rate > 0 and result.limit and result.limit.rate > 0 for result in results)
    assert report.table(results).count(name) >= len(results)
