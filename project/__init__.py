"""What every part of the project agrees on: exit codes, where things lie, how a YAML file is read."""
