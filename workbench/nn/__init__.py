"""Networks and numerical building blocks that are not invertible transforms."""
