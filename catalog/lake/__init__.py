"""The lake: Iceberg tables whose head moves by numbered, guarded commits. The only user of pyiceberg."""
