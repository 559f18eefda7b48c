"""The public door in front of vLLM: keys, limits, red flags first, and an audit. docs/deployment.md says how to run it."""
