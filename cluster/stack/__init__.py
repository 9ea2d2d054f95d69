"""The real servers of the production half on one machine: PostgreSQL, an S3 store and Trino."""
