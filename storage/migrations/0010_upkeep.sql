-- When retention was last obeyed to its end (storage.partitions.prune): the next process must know whether last night's is done.

ALTER TABLE centre ADD COLUMN pruned_at timestamptz;
