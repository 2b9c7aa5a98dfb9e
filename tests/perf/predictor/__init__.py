"""How well the predictor routes, on public rows, beside what else there is."""
