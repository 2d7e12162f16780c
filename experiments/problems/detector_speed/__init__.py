"""How quick `detect` is, what removal gains, and the memory it takes."""
