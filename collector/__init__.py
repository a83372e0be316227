"""The collector: accepts devices, stores every reading, answers questions about them."""
