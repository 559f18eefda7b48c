"""How the model is made: recipes, stages, artifacts and the command ``osler``."""

import os

# Threads of OpenMP wait for one another by spinning, for milliseconds if nothing is said. Beside other work on the same cores a training step
# then takes ten times as long or more (216 tokens/s beside 1,898 on two busy cores; alone the two differ by no more than runs do), as
# the thread that spins holds the core that the awaited one needs. libgomp reads it when torch is loaded, which comes later.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
