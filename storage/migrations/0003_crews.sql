-- A crew may hold several assignments, of which one is active: the others are held. A notice may be about a crew, or about the
-- centre, and about no incident. `commit_batch` is made anew for it, and for what follows, in 0009.

ALTER TABLE assignment ADD COLUMN held boolean NOT NULL DEFAULT false;
ALTER TABLE notice ALTER COLUMN incident_id DROP NOT NULL;
ALTER TABLE notice ADD COLUMN crew_id text NOT NULL DEFAULT '';
