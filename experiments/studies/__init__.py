"""Questions about tasks, asked of any problem: loss phases, budgets asked against held, ratios from sensitivities."""
