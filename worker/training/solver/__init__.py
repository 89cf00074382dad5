"""Linear networks solved to the optimum."""
