"""Where a budget goes: plans, allocation and budgets."""
