"""Every task in view inside `model.fit`: records, a table on the terminal, a tidy file."""
