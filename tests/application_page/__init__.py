"""The page of an application: cards, chart, breakdowns and table, from whatever keys arrive."""
