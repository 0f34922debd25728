"""The peers that jedel is measured against: the same job done the usual, competent way. Never imported by the product."""
