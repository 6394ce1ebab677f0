-- The referrers of a subject by their types. Where there are rows already the upkeep
-- makes it, since that takes its time.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM manifests) THEN
        CREATE INDEX manifests_type ON manifests (repository, subject, substr(artifact_type, 1, 250), digest) WHERE subject IS NOT NULL;
    END IF;
END $$;
