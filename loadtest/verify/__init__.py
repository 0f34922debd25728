"""The proof of a load run: what was sent is what was acknowledged, stored and published; and the report of it."""
