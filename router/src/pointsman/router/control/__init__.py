"""What brings tables, endpoints and keys into `Live`, and tells the operator what is in force."""
