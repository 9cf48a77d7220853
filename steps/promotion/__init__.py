"""Steps of the promotion stage."""
