"""An expert that shops from what an agent reads: it makes demonstrations."""
