"""Steps of the monitoring stage."""
