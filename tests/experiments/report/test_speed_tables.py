import pandas as pd

from experiments.report.speed_tables import large_batch, removal

ROWS = pd.DataFrame({
    "criterion": ["", "group_l1", "group_l1"], "round_to": [None, 1, 8], "asked": [0, 0.25, 0.25],
    "achieved": [0, 0.26, 0.23], "params": [4e6, 2e6, 3e6], "macs": [2e9, 1.2e9, 1.5e9], "file_bytes": [2**24] * 3,
    "speedup": [None, 1.4, 1.3],
})  # fmt: skip


def test_a_budget_of_time_says_how_many_macs_went_for_it(tmp_path):
    ROWS.to_csv(tmp_path / "net_latency.csv", index=False)
    head, rows = removal(tmp_path / "net_latency.csv")
    assert head[2:6] == ["time asked", "time gone in the search", "MACs gone", "GMACs left"]
    assert rows[0] == ["group L1", "1", "25%", "26.0%", "40.0%", "1.20", "2.0", "16", "1.40"]
    assert rows[1][4] == "25.0%"


def test_a_budget_of_macs_says_that_once(tmp_path):
    ROWS.to_csv(tmp_path / "net.csv", index=False)
    head, rows = removal(tmp_path / "net.csv")
    assert head[2:5] == ["MACs asked", "MACs gone", "GMACs left"]
    assert rows[0] == ["group L1", "1", "25%", "26.0%", "1.20", "2.0", "16", "1.40"]
    assert removal(tmp_path / "net.csv", (0.5,))[1] == []


def test_memory_stands_beside_torchvisions(tmp_path):
    rows = [
        (what, count, who, peak)
        for what, count, peaks in (("detect_all", 8, (2.5e9, 3e9)), ("step", 1, (4e9, 3.5e9)))
        for who, peak in zip(("torchvision", "taskprune"), peaks, strict=True)
    ]
    pd.DataFrame(rows, columns=["what", "pictures", "who", "peak_bytes"]).to_csv(tmp_path / "large.csv", index=False)
    head, found = large_batch(tmp_path / "large.csv")
    assert head[1:] == ["taskprune", "torchvision"]
    assert found == [
        ["detection in 8 pictures at once", "3.00", "2.50"], ["training steps of 1 picture", "3.50", "4.00"],
    ]  # fmt: skip
