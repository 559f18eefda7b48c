"""How the model is used: vLLM as a child process, sampling, and the LangChain client."""
