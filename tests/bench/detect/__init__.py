"""The detection benchmark: who sees changes of paths, how soon, and how often falsely, at equal probe budgets."""
