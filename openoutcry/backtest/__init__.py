"""Run strategies over recorded days: their orders rest in the recorded book of our own matcher."""
