"""The functions: each reads its event, calls what does the work, and answers. Nothing is decided here."""
