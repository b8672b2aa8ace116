"""A virtual environment on a laptop that equals a deployment's environment, and the proof that it does."""
