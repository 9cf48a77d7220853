"""Steps of the batch stage."""
