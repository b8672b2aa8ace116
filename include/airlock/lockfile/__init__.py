"""The lockfile: what is installed in this environment, as files that make an equal one elsewhere."""
