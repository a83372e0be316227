"""What makes a program a good service, the same for both ends; no file here imports another."""
