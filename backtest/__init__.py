"""Run strategies over recorded days: their orders stand in the recorded book of our own matcher."""
