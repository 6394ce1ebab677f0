-- What each transaction may have changed of the listings, in the order in which they
-- are committed, so that every process knows which of the listings that it keeps are
-- good still: by the numbers that touches.go gives them, or all where there are none.

CREATE TABLE touches (
    number   bigint PRIMARY KEY,
    nonce    uuid NOT NULL DEFAULT gen_random_uuid(),
    listings bigint[]
);
ALTER TABLE touches SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
INSERT INTO touches (number) VALUES (1);

-- A transaction that doesn't enter what it changes, as those of the version before
-- and those of an operator, counts as one that changes all. It has the row of those
-- who write from then on, so that numbers are given in the order of commits.
CREATE FUNCTION touch_all() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM one FROM meta FOR UPDATE;
    WITH entered AS (INSERT INTO touches (number) SELECT number + 1 FROM touches ORDER BY number DESC LIMIT 1 RETURNING number)
        DELETE FROM touches WHERE number <= (SELECT number FROM entered) - 4096;
    PERFORM set_config('backref.listings', 'entered', true);
    RETURN NULL;
END $$;

CREATE TRIGGER touch_all AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON manifests
    FOR EACH STATEMENT WHEN (current_setting('backref.listings', true) IS DISTINCT FROM 'entered') EXECUTE FUNCTION touch_all();
CREATE TRIGGER touch_all AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON intents
    FOR EACH STATEMENT WHEN (current_setting('backref.listings', true) IS DISTINCT FROM 'entered') EXECUTE FUNCTION touch_all();
CREATE TRIGGER touch_all AFTER UPDATE OF live ON meta
    FOR EACH STATEMENT WHEN (current_setting('backref.listings', true) IS DISTINCT FROM 'entered') EXECUTE FUNCTION touch_all();
