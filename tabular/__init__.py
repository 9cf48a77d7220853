"""The science: typed pure functions over tables, contracts and models."""
