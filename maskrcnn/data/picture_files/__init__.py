"""Pictures as files: where they lie, and reading them, whatever their kind."""
