"""The page to talk to: a chat in the browser on the doctor assistant."""
