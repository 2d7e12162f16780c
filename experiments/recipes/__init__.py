"""The experiments that ship, as YAML files."""
