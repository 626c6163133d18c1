"""The feed's use cases, one class each, and the ports they need."""
