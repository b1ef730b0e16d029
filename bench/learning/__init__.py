"""Policy learning: where a better gradient has to earn its keep."""
