"""Models that the architectures build. They import torch, and are imported only when one is built."""
