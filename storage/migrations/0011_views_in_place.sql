-- Views of incidents stay in their rows and are not compressed: one is two to five kilobytes and is written anew with each version,
-- and beyond two kilobytes PostgreSQL compresses a value and moves it to a table beside, which cost a fifth of the writer's time.
-- Partitions made from now on have this from storage.partitions.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'incident'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50, toast_tuple_target = 8160)', part);
    END LOOP;
END $$;
