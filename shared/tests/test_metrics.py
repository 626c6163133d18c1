import pytest
from stories_shared.runtime.metrics import CommonMetrics, MetricsRegistry, observe_often


@pytest.mark.parametrize("value", [0.0, 0.001, 0.0011, 0.3, 3600.0, 3601.0])
def test_a_value_observed_often_counts_like_each_observation(value):
    pages = []
    for at_once in (True, False):
        registry = MetricsRegistry()
        ages = CommonMetrics(registry).event_age.labels("feed.user-followed", "user-followed")
        if at_once:
            observe_often(ages, [(value, 3), (0.5, 1)])
        else:
            for each in (value, value, value, 0.5):
                ages.observe(each)
        lines = registry.page().decode().splitlines()
        pages.append([line for line in lines if "event_age" in line and "_created" not in line])
    assert pages[0] == pages[1]
    assert any("_count" in line and line.endswith(" 4.0") for line in pages[0])
