from perdure_cli.bench import figures
from perdure_cli.bench.peers import translate


def test_a_ratio_above_one_means_that_we_are_better_whatever_the_unit() -> None:
    results: figures.Results = {
        "true": {"perdure": [200.0, 400.0, 300.0], "oban": [100.0, 150.0, 200.0]},
        "latency_p50": {"perdure": [2.0, 2.0], "oban": [4.0, 4.0]},
    }
    told = figures.as_json(results)
    assert told["true"] == {**results["true"], "ratio": {"oban": 2.0}}
    assert told["latency_p50"] == {**results["latency_p50"], "ratio": {"oban": 2.0}}


def test_without_our_own_numbers_there_is_no_ratio() -> None:
    told = figures.as_json({"true": {"oban": [100.0]}})
    assert told["true"] == {"oban": [100.0], "ratio": {}}


def test_numbers_of_a_peer_get_our_names_and_what_failed_is_left_out() -> None:
    results = (
        b'{"note": "x", "versions": {}, "w1": [{"jobs_s": 1200.0}, {"jobs_s": 1300.0}], '
        b'"w3": [{"p50": 4.5, "p99": 9.0, "n": 200}], "w4": [{"error": "TimeoutError"}]}'
    )
    told = translate(results, ("w1", "w3", "w4"))
    assert told == {"request": 1300.0, "function_p50": 4.5, "function_p99": 9.0}
    assert translate(results, ("w1",)) == {"request": 1300.0}
