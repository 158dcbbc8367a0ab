"""Fair comparisons: a plan of runs, their results, statistics and a report."""
