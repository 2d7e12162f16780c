"""Recipes: what an experiment says, from YAML files and flags, typed and checked."""
