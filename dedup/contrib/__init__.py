"""dedup inside other people's frameworks, one module each; every one is an extra of its own."""
