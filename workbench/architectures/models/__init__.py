"""Networks of the architectures, which import them, and with them torch, only when they build."""
