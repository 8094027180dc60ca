"""Scale: seeded instances of four sizes, and how fast and how well they are planned."""
