"""Apache Superset beside the stack: dashboards over the served views, for people without SQL."""
