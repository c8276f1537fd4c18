"""All public operations, drawn by hypothesis, against a small model made of dicts."""
