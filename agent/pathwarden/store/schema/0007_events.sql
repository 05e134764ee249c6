-- Nothing asks for events of a target by their time alone, and every event wrote a page of it.
DROP INDEX events_by_time;
