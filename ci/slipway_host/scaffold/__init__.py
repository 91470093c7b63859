"""What a repository needs to be delivered: made from what is in it, never over it (R23, R35)."""
