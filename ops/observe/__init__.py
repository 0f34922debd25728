"""What an SRE looks at: the Grafana dashboard, made of a table of panels. The alerts lie in `ops/deploy/prometheus`."""
