"""What may be said of a table: intervals, tests, verdicts, margins."""
