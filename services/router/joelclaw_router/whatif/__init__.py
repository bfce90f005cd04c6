"""What was decided, decided again: from the audit alone (replay), or under another configuration (simulate). Pure."""
