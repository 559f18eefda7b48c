"""From sampled answers to preference pairs: scores, pairing, and the report on them."""
