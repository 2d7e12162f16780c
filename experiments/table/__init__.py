"""A sweep's table and what may be said of it: columns, curves, selections, statistics, verdicts."""
