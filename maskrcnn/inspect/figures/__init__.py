"""One file a stage: functions that take the stage's arrays and return a matplotlib Figure."""
