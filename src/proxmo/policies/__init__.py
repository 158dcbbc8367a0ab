"""What produces responses: language models and scripted stand-ins."""
