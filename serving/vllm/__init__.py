"""VLLM as a child process: what it is started with, and how it is watched, asked and stopped."""
