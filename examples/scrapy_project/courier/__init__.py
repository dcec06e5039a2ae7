"""A project that crawls a newspaper."""
