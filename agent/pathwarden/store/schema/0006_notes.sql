-- What somebody wrote about an event; NULL for nearly all.
ALTER TABLE events ADD COLUMN note TEXT;
